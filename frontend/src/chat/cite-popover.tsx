import { Popover } from "@base-ui/react/popover";
import { X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { Schema } from "../api/client";
import { ProblemError } from "../api/problems";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import popover from "../ui/popover.module.css";
import { split } from "./characters";
import styles from "./cite.module.css";
import type { Citation } from "./exchange";
import { useMemory } from "./use-memory";

type Memory = Schema["MemoryView"];

export interface CiteProps {
  citation: Citation;
  /** The memory as the model was given it, where that is known. */
  memory?: Memory;
}

/** The number with the memory behind it; opens with its first press. */
export default function CitePopover({ citation, memory }: CiteProps) {
  const { t } = useTranslation();
  return (
    <Popover.Root defaultOpen>
      <Popover.Trigger
        className={styles["cite"]}
        aria-label={t("chat.citation", { number: citation.number })}
      >
        {citation.number}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={6} collisionPadding={12} className={popover["positioner"]}>
          <Popover.Popup className={`${popover["popup"]} ${styles["popup"]}`}>
            <header className={styles["header"]}>
              <Popover.Title className={styles["title"]}>{t("chat.citedMemory")}</Popover.Title>
              <Popover.Close className={styles["close"]} aria-label={t("common.close")}>
                <X size={16} aria-hidden />
              </Popover.Close>
            </header>
            {memory ? (
              <Cited memory={memory} citation={citation} />
            ) : (
              <Read id={citation.memoryId} citation={citation} />
            )}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Read({ id, citation }: { id: string; citation: Citation }) {
  const { t } = useTranslation();
  const { data: memory, error, refetch } = useMemory(id);
  if (memory) return <Cited memory={memory} citation={citation} />;
  if (error instanceof ProblemError && error.status === 404) return <p>{t("chat.memoryGone")}</p>;
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  return <Loading />;
}

function Cited({ memory, citation }: { memory: Memory; citation: Citation }) {
  const { t, i18n } = useTranslation();
  const [before, cited, behind] = split(memory.text, citation.start, citation.end);
  const date = memory.occurredAt ?? memory.createdAt;
  return (
    <>
      <blockquote className={styles["text"]}>
        {before}
        <mark>{cited}</mark>
        {behind}
      </blockquote>
      <footer className={styles["footer"]}>
        <span className={styles["date"]}>
          {new Intl.DateTimeFormat(i18n.language, { dateStyle: "long" }).format(new Date(date))}
        </span>
        <Link href={`/memories/${memory.id}`}>{t("chat.openMemory")}</Link>
      </footer>
    </>
  );
}
