import { Suspense, useState } from "react";
import { lazyWithWords } from "../i18n";
import { hasEnded } from "./ended";

const Tour = lazyWithWords("tour", () => import("./tour"));

/** The tour, until it was gone through or skipped. */
export function TourGate() {
  const [wanted, setWanted] = useState(() => !hasEnded(localStorage));
  if (!wanted) return null;
  return (
    <Suspense fallback={null}>
      <Tour onEnd={() => setWanted(false)} />
    </Suspense>
  );
}
