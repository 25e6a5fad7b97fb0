/** What is on its way, and what was refused: nothing that was written is ever only in the air. */

import { CloudOff, CloudUpload } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useOnline } from "../layout/banners";
import { Button } from "../ui/button";
import { Notice } from "../ui/notice";
import { useOutbox, useWaiting } from "./outbox-context";
import type { Waiting } from "./outbox-store";
import styles from "./waiting-list.module.css";

/** As many as are shown one by one; of an import of thousands their number is enough. */
const SHOWN = 5;

export function WaitingList() {
  const { t } = useTranslation();
  const outbox = useOutbox();
  const online = useOnline();
  const entries = useWaiting();
  if (entries.length === 0) return null;
  const waiting = entries.filter((entry) => entry.refusal === null).reverse();
  const Icon = online ? CloudUpload : CloudOff;
  return (
    <section aria-label={t("remember.waiting")} className={styles["section"]}>
      {entries
        .filter((entry) => entry.refusal !== null)
        .map((entry) => (
          <Refused key={entry.id} entry={entry} />
        ))}
      {waiting.length > 0 && (
        <>
          <div className={styles["state"]}>
            <Icon size={16} aria-hidden />
            <span>{t(online ? "remember.sending" : "remember.offline", { count: waiting.length })}</span>
            {online && (
              <Button small look="quiet" onClick={outbox.hurry}>
                {t("remember.sendNow")}
              </Button>
            )}
          </div>
          <ul className={styles["list"]}>
            {waiting.slice(0, SHOWN).map((entry) => (
              <li key={entry.id} className={styles["entry"]}>
                {entry.content.text}
              </li>
            ))}
          </ul>
          {waiting.length > SHOWN && (
            <p className={styles["more"]}>{t("remember.waitingMore", { count: waiting.length - SHOWN })}</p>
          )}
        </>
      )}
    </section>
  );
}

function Refused({ entry }: { entry: Waiting }) {
  const { t } = useTranslation();
  const outbox = useOutbox();
  const [text, setText] = useState(entry.content.text);
  return (
    <Notice
      kind="danger"
      title={t("remember.refused")}
      actions={
        <>
          <Button
            small
            look="primary"
            disabled={text.trim() === ""}
            onClick={() => outbox.mend(entry, { ...entry.content, text: text.trim() })}
          >
            {t("remember.sendAgain")}
          </Button>
          <Button small look="danger" onClick={() => outbox.discard([entry.id])}>
            {t("remember.discard")}
          </Button>
        </>
      }
    >
      <p>{entry.refusal}</p>
      <textarea
        className={styles["edit"]}
        aria-label={t("remember.refusedText")}
        rows={3}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </Notice>
  );
}
