/** How an answer ended that is not simply complete: what happened, what was kept, and what to do. */

import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { ProblemError } from "../api/problems";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { describe } from "../ui/failure";
import { Loading } from "../ui/loading";
import { Notice } from "../ui/notice";
import { isSettled, type Exchange } from "./exchange";

interface EndingProps {
  exchange: Exchange;
  /** Ask the same again. */
  onAgain: () => void;
  /** Take the question back into the box. */
  onTakeBack: () => void;
}

export function Ending({ exchange, onAgain, onTakeBack }: EndingProps) {
  const { t } = useTranslation();
  const { state, stored, answer } = exchange;
  const again = isSettled(exchange) && (
    <>
      <Button small onClick={onAgain}>
        {t("chat.askAgain")}
      </Button>
      {!stored && (
        <Button small look="quiet" onClick={onTakeBack}>
          {t("chat.takeBack")}
        </Button>
      )}
    </>
  );
  switch (state) {
    case "complete":
      return exchange.stopReason === "max_tokens" ? (
        <Notice title={t("chat.ending.full")}>
          <p>{t("chat.ending.fullText")}</p>
        </Notice>
      ) : null;
    case "stopped":
      return (
        <Notice title={t("chat.ending.stopped")} actions={again}>
          <p>{t(answer === "" ? "chat.ending.stoppedEmptyText" : "chat.ending.stoppedText")}</p>
        </Notice>
      );
    case "failed":
      return (
        <Notice kind="warning" title={t("chat.ending.failed")} actions={again}>
          <p>{t("chat.ending.failedText")}</p>
        </Notice>
      );
    case "blocked":
      return (
        <Notice kind="warning" title={t("chat.ending.blocked")}>
          <p>
            {t(
              exchange.stopReason === "content_filtered"
                ? "chat.ending.filteredText"
                : "chat.ending.blockedText",
            )}
          </p>
        </Notice>
      );
    case "checking":
      return (
        <Notice kind="warning" title={t("chat.ending.lost")}>
          <p>{t("chat.ending.checkingText")}</p>
          <Loading />
        </Notice>
      );
    case "unkept":
      return (
        <Notice kind="warning" title={t("chat.ending.lost")} actions={again}>
          <p>{t("chat.ending.unkeptText")}</p>
        </Notice>
      );
    case "refused":
      return <Refused error={exchange.error} actions={again} />;
    default:
      return null;
  }
}

function Refused({ error, actions }: { error: unknown; actions: ReactNode }) {
  const { t, i18n } = useTranslation();
  const { session } = useServices();
  if (error instanceof ProblemError && error.kind === "budget-spent") {
    const { resetsAt } = error.problem as { resetsAt?: string };
    const date =
      resetsAt === undefined
        ? null
        : new Intl.DateTimeFormat(i18n.language, { dateStyle: "long" }).format(new Date(resetsAt));
    return (
      <Notice kind="warning" title={t("failure.budget")} actions={actions}>
        <p>
          {date === null ? t("failure.budgetText") : t("chat.ending.budgetText", { date })}{" "}
          <Link href="/account">{t("chat.ending.budgetLink")}</Link>
        </p>
      </Notice>
    );
  }
  if (error instanceof ProblemError && error.status === 401) {
    return (
      <Notice
        kind="warning"
        title={t("failure.signedOut")}
        actions={
          <Button small look="primary" onClick={() => session.signIn()}>
            {t("common.signIn")}
          </Button>
        }
      >
        <p>{t("chat.ending.signedOutText")}</p>
      </Notice>
    );
  }
  const { title, text } = describe(error, t);
  return (
    <Notice kind="danger" title={title} actions={actions}>
      <p>
        {text} {t("chat.ending.kept")}
      </p>
    </Notice>
  );
}
