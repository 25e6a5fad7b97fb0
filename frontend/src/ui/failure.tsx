/** Every failure in a person's words: what happened, and what to do. */

import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { ProblemError, UnreachableError } from "../api/problems";
import { Button } from "./button";
import { Notice } from "./notice";

/** Title and explanation of an error. */
export function describe(error: unknown, t: TFunction): { title: string; text: string } {
  if (error instanceof UnreachableError)
    return { title: t("failure.unreachable"), text: t("failure.unreachableText") };
  if (error instanceof ProblemError) {
    if (error.status === 401) return { title: t("failure.signedOut"), text: t("failure.signedOutText") };
    if (error.status === 404) return { title: t("failure.notFound"), text: t("failure.notFoundText") };
    if (error.kind === "budget-spent") return { title: t("failure.budget"), text: t("failure.budgetText") };
    if (error.status === 429) {
      return {
        title: t("failure.tooMany"),
        text: t("failure.tooManyText", { count: error.retryAfter ?? 60 }),
      };
    }
    if (error.status >= 500) return { title: t("failure.server"), text: t("failure.serverText") };
    return {
      title: error.problem.title,
      text: error.problem.errors?.[0]?.message ?? error.problem.detail ?? "",
    };
  }
  return { title: t("failure.unknown"), text: error instanceof Error ? error.message : "" };
}

/** A boxed failure, with a way to try again where that may help. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const { title, text } = describe(error, t);
  const actions = retry && (
    <Button small onClick={retry}>
      {t("common.tryAgain")}
    </Button>
  );
  return (
    <Notice kind="danger" title={title} actions={actions}>
      <p>{text}</p>
    </Notice>
  );
}
