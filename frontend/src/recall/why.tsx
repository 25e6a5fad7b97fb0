/** Why a search found a memory, in words. */

import { useTranslation } from "react-i18next";
import type { Schema } from "../api/client";
import { day } from "../memories/dates";
import styles from "./why.module.css";

/** The moment after a time, as the last day that lies in it. */
function lastDay(end: string): Date {
  return new Date(Date.parse(end) - 1);
}

export default function Why({ explanation }: { explanation: Schema["Explanation"] }) {
  const { t, i18n } = useTranslation();
  const { words, vector, time, score } = explanation;
  const percent = new Intl.NumberFormat(i18n.language, { style: "percent" });
  const list = new Intl.ListFormat(i18n.language);
  const terms = Object.entries(words?.terms ?? {})
    .sort(([, one], [, other]) => other - one)
    .map(([term]) => `“${term}”`);
  return (
    <section aria-label={t("recall.why")} className={styles["why"]}>
      <h3>{t("recall.why")}</h3>
      <ul>
        {words && <li>{t("recall.whyWords", { words: list.format(terms), rank: words.rank })}</li>}
        {vector && (
          <li>
            {t("recall.whyMeaning", { similarity: percent.format(vector.similarity), rank: vector.rank })}
          </li>
        )}
        {time && (
          <li>
            {t("recall.whyTime", {
              words: time.words,
              start: day(time.start, i18n.language),
              end: day(lastDay(time.end), i18n.language),
            })}
          </li>
        )}
      </ul>
      <p className={styles["score"]}>
        {t("recall.whyScore", { score: new Intl.NumberFormat(i18n.language).format(score) })}
      </p>
    </section>
  );
}
