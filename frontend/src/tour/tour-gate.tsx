import { Suspense, useState } from "react";
import { lazyWithWords } from "../i18n";

const Tour = lazyWithWords("tour", () => import("./tour"));

const ENDED = "recall.tour";

/** Remember in this browser that the tour need not be shown any more. */
export function endTour(storage: Storage): void {
  storage.setItem(ENDED, "ended");
}

/** The tour, until it was gone through or skipped. */
export function TourGate() {
  const [wanted, setWanted] = useState(() => localStorage.getItem(ENDED) === null);
  if (!wanted) return null;
  return (
    <Suspense fallback={null}>
      <Tour onEnd={() => setWanted(false)} />
    </Suspense>
  );
}
