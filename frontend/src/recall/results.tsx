/** What a search found, as it is typed. */

import { SearchX } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { EVERYTHING, type Filter } from "../memories/cache";
import { day } from "../memories/dates";
import { Button } from "../ui/button";
import { EmptyState } from "../ui/empty-state";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { Notice } from "../ui/notice";
import { conditions } from "./address";
import { MANY, useRecall } from "./search";
import { SEARCH } from "../remember/quick-remember";
import styles from "./results.module.css";

const Feed = lazy(() => import("../memories/feed"));

interface ResultsProps {
  query: string;
  filter: Filter;
  onFilter: (filter: Filter) => void;
}

export function Results({ query, filter, onFilter }: ResultsProps) {
  const { t, i18n } = useTranslation();
  const [many, setMany] = useState(false);
  const { data: answer, error, isPending, isFetching, refetch } = useRecall(query, filter, many);
  const filtered = conditions(filter) > 0;
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  if (isPending) return <Loading />;
  return (
    <>
      <p role="status" className={styles["state"]}>
        {t("recall.found", { count: answer.hits.length })}
        {answer.times.map((time) => (
          <span key={time.words}>
            {" "}
            {t("recall.time", {
              words: time.words,
              start: day(time.start, i18n.language),
              end: day(new Date(Date.parse(time.end) - 1), i18n.language),
            })}
          </span>
        ))}
        {(filter.pinned || filter.source !== null) && <span> {t("recall.amongBest", { count: MANY })}</span>}
      </p>
      {!answer.byMeaning && (
        <Notice>
          <p>{t("recall.wordsOnly")}</p>
        </Notice>
      )}
      {answer.hits.length === 0 ? (
        <EmptyState
          icon={<SearchX />}
          title={t("recall.nothing")}
          actions={filtered && <Button onClick={() => onFilter(EVERYTHING)}>{t("recall.noFilters")}</Button>}
        >
          {t(filtered ? "recall.nothingFiltered" : "recall.nothingText")}
        </EmptyState>
      ) : (
        <Suspense fallback={<Loading />}>
          <Feed label={t("recall.results")} items={answer.hits} busy={isFetching} fallback={SEARCH} />
        </Suspense>
      )}
      {answer.hasMore && (
        <Button className={styles["more"]} onClick={() => setMany(true)}>
          {t("recall.more")}
        </Button>
      )}
    </>
  );
}
