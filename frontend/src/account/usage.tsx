/** What was spent, as pictures: this month beside its budget, by model, and the months before. */

import { useQueries, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { useServices } from "../services";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { money } from "../ui/money";
import { Notice } from "../ui/notice";
import { monthsBefore, startOfMonth } from "./months";
import { Section } from "./section";
import styles from "./usage.module.css";

type Month = Schema["UsageAnswer"];

const EARLIER = 5;
const COLOURS = 4;

export function Usage() {
  const { api } = useServices();
  const {
    data: usage,
    error,
    isPending,
    refetch,
  } = useQuery({
    queryKey: ["usage"],
    queryFn: () => data(api.GET("/v1/usage")),
  });
  if (isPending) return <Loading />;
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  return (
    <>
      <ThisMonth usage={usage} />
      <Months usage={usage} />
    </>
  );
}

function ThisMonth({ usage }: { usage: Month }) {
  const { t, i18n } = useTranslation();
  const amount = (value: number) => money(value, i18n.language);
  const day = new Intl.DateTimeFormat(i18n.language, { day: "numeric", month: "long", timeZone: "UTC" });
  const models = [...usage.models].sort((one, other) => other.costMicroDollars - one.costMicroDollars);
  const whole = Math.max(usage.budgetMicroDollars, usage.spentMicroDollars);
  return (
    <Section title={t("account.usage.thisMonth")}>
      <div className={styles["budget"]}>
        <p>
          <span className={styles["sum"]}>{amount(usage.spentMicroDollars)}</span>{" "}
          <span className={styles["of"]}>
            {t("account.usage.of", { budget: amount(usage.budgetMicroDollars) })}
          </span>
        </p>
        <div
          role="meter"
          aria-label={t("account.usage.meter")}
          aria-valuemin={0}
          aria-valuemax={whole}
          aria-valuenow={usage.spentMicroDollars}
          aria-valuetext={t("account.usage.meterText", {
            spent: amount(usage.spentMicroDollars),
            budget: amount(usage.budgetMicroDollars),
          })}
          className={styles["bar"]}
        >
          {models.map((model, index) => (
            <span
              key={model.model}
              className={styles[`part${index % COLOURS}`]}
              style={{ flexBasis: `${(100 * model.costMicroDollars) / whole}%` }}
            />
          ))}
        </div>
        <p className={styles["facts"]}>
          <span>{t("account.usage.left", { amount: amount(usage.remainingMicroDollars) })}</span>
          <span>{t("account.usage.resets", { day: day.format(new Date(usage.resetsAt)) })}</span>
          <span>{t("account.usage.tier", { tier: t(`account.tiers.${usage.tier}`) })}</span>
        </p>
      </div>
      {usage.remainingMicroDollars === 0 && (
        <Notice kind="warning" title={t("failure.budget")}>
          <p>{t("account.usage.spent", { day: day.format(new Date(usage.resetsAt)) })}</p>
        </Notice>
      )}
      {models.length === 0 ? <p>{t("account.usage.none")}</p> : <Models models={models} />}
      {usage.estimatedMicroDollars > 0 && (
        <p className={styles["facts"]}>
          {t("account.usage.estimated", { amount: amount(usage.estimatedMicroDollars) })}
        </p>
      )}
    </Section>
  );
}

function Models({ models }: { models: Month["models"] }) {
  const { t, i18n } = useTranslation();
  const number = new Intl.NumberFormat(i18n.language);
  return (
    <div className={styles["table"]} role="region" tabIndex={0} aria-label={t("account.usage.byModel")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("account.usage.model")}</th>
            <th scope="col">{t("account.usage.answers")}</th>
            <th scope="col">{t("account.usage.tokens")}</th>
            <th scope="col">{t("account.usage.cost")}</th>
          </tr>
        </thead>
        <tbody>
          {models.map((model, index) => (
            <tr key={model.model}>
              <th scope="row">
                <span aria-hidden className={`${styles["dot"]} ${styles[`part${index % COLOURS}`]}`} />
                {model.model}
              </th>
              <td>{number.format(model.answers)}</td>
              <td>{number.format(allTokens(model))}</td>
              <td>{money(model.costMicroDollars, i18n.language)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function allTokens(model: Schema["ModelUsage"]): number {
  return model.inputTokens + model.outputTokens + model.cacheReadTokens + model.cacheWriteTokens;
}

function Months({ usage }: { usage: Month }) {
  const { t, i18n } = useTranslation();
  const { api } = useServices();
  const earlier = useQueries({
    queries: monthsBefore(usage.month, EARLIER).map((month) => ({
      queryKey: ["usage", month],
      queryFn: () => data(api.GET("/v1/usage", { params: { query: { month } } })),
      staleTime: Infinity,
    })),
  });
  const failed = earlier.find((query) => query.error !== null);
  if (failed) return <Failure error={failed.error} retry={() => void failed.refetch()} />;
  const months = [...earlier.flatMap((query) => query.data ?? []), usage];
  if (months.length <= EARLIER) return <Loading />;
  const most = Math.max(1, ...months.map((month) => month.spentMicroDollars));
  const name = new Intl.DateTimeFormat(i18n.language, { month: "short", timeZone: "UTC" });
  return (
    <Section title={t("account.usage.months")}>
      <ol className={styles["months"]}>
        {months.map((month) => (
          <li key={month.month} className={styles["month"]}>
            <span>{money(month.spentMicroDollars, i18n.language)}</span>
            <span aria-hidden className={styles["column"]}>
              <span style={{ height: `${(100 * month.spentMicroDollars) / most}%` }} />
            </span>
            <span>{name.format(startOfMonth(month.month))}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}
