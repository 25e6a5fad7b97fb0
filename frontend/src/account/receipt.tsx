/** What a deletion found and what remains: the last thing that a user sees of their account. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { Notice } from "../ui/notice";
import styles from "./data.module.css";
import { saveText } from "./download";
import { Row, Section } from "./section";

const POLL = 1_500;

/** The kinds of records that have a name in our texts; all others are counted together. */
const KINDS = [
  "memories",
  "deletedMemories",
  "history",
  "conversations",
  "messages",
  "personalAccessTokens",
] as const;

/** Follow a deletion from its first receipt to its last. */
export function Receipt({ first }: { first: Schema["Receipt"] }) {
  const { t, i18n } = useTranslation();
  const { api, session } = useServices();
  const heading = useRef<HTMLDivElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const { data: receipt, error } = useQuery({
    queryKey: ["deletion"],
    queryFn: () => data(api.GET("/v1/account/deletion")),
    initialData: first,
    staleTime: 0,
    refetchInterval: (query) => query.state.data?.state !== "done" && POLL,
  });
  const time = new Intl.DateTimeFormat(i18n.language, { dateStyle: "long", timeStyle: "short" });
  const done = receipt.state === "done";
  const named = new Set<string>(KINDS);
  const others = Object.entries(receipt.counts)
    .filter(([kind]) => !named.has(kind))
    .reduce((sum, [, count]) => sum + count, 0);
  return (
    <div ref={heading} tabIndex={-1} className={styles["receipt"]}>
      <Section title={t("account.receipt.title")}>
        {done ? (
          <Notice kind="success" title={t("account.receipt.done")}>
            <p>{t("account.receipt.doneAt", { time: time.format(new Date(receipt.finishedAt ?? "")) })}</p>
          </Notice>
        ) : (
          <Notice title={t("account.receipt.running")}>
            <progress aria-label={t("account.receipt.running")} />
            <p>{t("account.receipt.runningText")}</p>
          </Notice>
        )}
        {error && <Failure error={error} />}
        <h3>{t("account.receipt.what")}</h3>
        <dl className={styles["counts"]}>
          {KINDS.map((kind) => (
            <div key={kind}>
              <dt>{t(`account.receipt.kinds.${kind}`)}</dt>
              <dd>{receipt.counts[kind] ?? 0}</dd>
            </div>
          ))}
          <div>
            <dt>{t("account.receipt.kinds.others")}</dt>
            <dd>{others}</dd>
          </div>
        </dl>
        <h3>{t("account.receipt.remains")}</h3>
        <ul className={styles["meaning"]}>
          <li>{t("account.receipt.receipt")}</li>
          {receipt.backupsUntil !== null && (
            <li>{t("account.receipt.backups", { time: time.format(new Date(receipt.backupsUntil)) })}</li>
          )}
          {receipt.unreadableSince !== null && (
            <li>
              {t("account.receipt.unreadable", { time: time.format(new Date(receipt.unreadableSince)) })}
            </li>
          )}
          {receipt.signIn === "pending" && <li>{t("account.receipt.signInPending")}</li>}
        </ul>
        <Row>
          <Button look="primary" onClick={() => session.signOut()}>
            {t("account.receipt.leave")}
          </Button>
          <Button onClick={() => saveText(JSON.stringify(receipt, null, 2), "recall-deletion.json")}>
            {t("account.receipt.save")}
          </Button>
        </Row>
      </Section>
    </div>
  );
}
