import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { useUpdate } from "./actions";
import { KEYS, type Memory } from "./cache";
import { moment } from "./dates";
import { changeOf } from "./edit-memory";
import styles from "./history-dialog.module.css";

/** The changes of a memory in the last 30 days, and what it said before each. */
export default function HistoryDialog({ memory, onClose }: { memory: Memory; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { api } = useServices();
  const update = useUpdate();
  const history = useInfiniteQuery({
    queryKey: KEYS.history(memory.id),
    queryFn: ({ pageParam, signal }) =>
      data(
        api.GET("/v1/memories/{memoryId}/history", {
          params: {
            path: { memoryId: memory.id },
            query: pageParam === null ? {} : { cursor: pageParam },
          },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor,
  });
  const changes = history.data?.pages.flatMap((page) => page.items) ?? [];
  const bringBack = (before: Schema["PreviousContent"]) => {
    const change = changeOf(memory, before);
    if (change !== null) update.mutate({ memory, change }, { onSuccess: onClose });
  };
  return (
    <Dialog open wide onClose={onClose} title={t("memories.history")} description={t("memories.historyText")}>
      {history.isPending && <Loading />}
      {history.error && <Failure error={history.error} retry={() => void history.refetch()} />}
      {update.error && <Failure error={update.error} />}
      <ol className={styles["changes"]}>
        {changes.map((change) => (
          <li key={change.version} className={styles["change"]}>
            <p>
              <strong>{t(`memories.actions.${change.action}`)}</strong>{" "}
              <time dateTime={change.at}>{moment(change.at, i18n.language)}</time>
            </p>
            {change.before && (
              <>
                <p className={styles["label"]}>{t("memories.before")}</p>
                <blockquote className={styles["before"]}>
                  {change.before.text}
                  {change.before.tags.length > 0 && (
                    <p>{change.before.tags.map((tag) => `#${tag}`).join(" ")}</p>
                  )}
                </blockquote>
                <Button
                  small
                  disabled={update.isPending || changeOf(memory, change.before) === null}
                  onClick={() => change.before && bringBack(change.before)}
                >
                  {t("memories.bringBack")}
                </Button>
              </>
            )}
          </li>
        ))}
      </ol>
      {history.isSuccess && changes.length === 0 && (
        <p>{t("memories.unchanged", { at: moment(memory.createdAt, i18n.language) })}</p>
      )}
      {history.hasNextPage && (
        <Button busy={history.isFetchingNextPage} onClick={() => history.fetchNextPage()}>
          {t("memories.older")}
        </Button>
      )}
    </Dialog>
  );
}
