import { useState } from "react";
import { useTranslation } from "react-i18next";
import { isRunning, type Exchange } from "./exchange";

/** Tells screen readers that an answer is on its way, and reads it when it is whole: not word by word. */
export function Announcer({ last }: { last: Exchange | undefined }) {
  const { t } = useTranslation();
  const [followed, setFollowed] = useState<string | null>(null);
  const underWay = last !== undefined && isRunning(last);
  const key = last?.key ?? null;
  if (underWay && followed !== key) setFollowed(key);
  const said = underWay ? t("chat.answering") : key !== null && key === followed ? last?.answer : "";
  return (
    <p aria-live="polite" className="visually-hidden" data-announcer>
      {said}
    </p>
  );
}
