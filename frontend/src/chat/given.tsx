/** Which memories a model was given for an answer, and why these. */

import { BookHeart } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { split } from "./characters";
import type { Exchange, RecalledMemory } from "./exchange";
import styles from "./given.module.css";
import { useMemory } from "./use-memory";

export function Given({ exchange }: { exchange: Exchange }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const { recalled, memories } = exchange;
  if (recalled.length === 0) return null;
  return (
    <details className={styles["given"]} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <BookHeart size={16} aria-hidden />
        {t("chat.given", { count: recalled.length })}
      </summary>
      {open && (
        <ol>
          {memories?.map((memory) => (
            <li key={memory.id}>
              <Link href={`/memories/${memory.id}`}>{memory.text}</Link>
              <Why memory={memory} />
            </li>
          )) ?? recalled.map((id) => <Kept key={id} id={id} />)}
        </ol>
      )}
    </details>
  );
}

function Why({ memory: { text, explanation } }: { memory: RecalledMemory }) {
  const { t, i18n } = useTranslation();
  const percent = new Intl.NumberFormat(i18n.language, { style: "percent", maximumFractionDigits: 0 });
  const { words, vector, time } = explanation;
  // As they stand in the memory: the search itself knows their stems only.
  const shared = words?.spans.map(({ start, end }) => `“${split(text, start, end)[1]}”`) ?? [];
  const terms = [...new Set(shared)];
  const reasons = [
    terms.length > 0 && t("chat.whyWords", { words: new Intl.ListFormat(i18n.language).format(terms) }),
    vector && t("chat.whyMeaning", { similarity: percent.format(vector.similarity) }),
    time && t("chat.whyTime", { words: time.words }),
  ];
  return <p className={styles["why"]}>{reasons.filter(Boolean).join(" · ")}</p>;
}

function Kept({ id }: { id: string }) {
  const { t } = useTranslation();
  const { data: memory, error } = useMemory(id);
  if (memory) {
    return (
      <li>
        <Link href={`/memories/${id}`}>{memory.text}</Link>
      </li>
    );
  }
  return <li className={styles["why"]}>{t(error ? "chat.memoryGone" : "common.loading")}</li>;
}
