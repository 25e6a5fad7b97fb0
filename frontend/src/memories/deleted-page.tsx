/** What was deleted in the last 30 days: to bring back, or to erase at once. */

import { useInfiniteQuery, useMutation, useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { data, type Schema } from "../api/client";
import { Page } from "../layout/page";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { EmptyState } from "../ui/empty-state";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { toast } from "../ui/toasts";
import { addStored, KEYS, refreshDerived } from "./cache";
import { day } from "./dates";
import styles from "./deleted-page.module.css";

type Deleted = Schema["DeletedMemoryView"];
const HEADING = "deleted-heading";

export default function DeletedPage() {
  const { t } = useTranslation();
  const { api } = useServices();
  const [erasing, setErasing] = useState<Deleted | null>(null);
  const list = useInfiniteQuery({
    queryKey: KEYS.deleted,
    queryFn: ({ pageParam, signal }) =>
      data(
        api.GET("/v1/memories/deleted", {
          params: { query: pageParam === null ? {} : { cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor,
  });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={t("memories.deletedTitle")} actions={<Link href="/">{t("notFound.home")}</Link>}>
      <p id={HEADING} tabIndex={-1} className={styles["text"]}>
        {t("memories.deletedText")}
      </p>
      {list.isPending && <Loading />}
      {list.error && <Failure error={list.error} retry={() => void list.refetch()} />}
      {list.isSuccess && items.length === 0 && (
        <EmptyState icon={<Trash2 />} title={t("memories.deletedEmpty")}>
          {t("memories.deletedEmptyText")}
        </EmptyState>
      )}
      <ul className={styles["list"]}>
        {items.map((memory) => (
          <Row key={memory.id} memory={memory} onErase={setErasing} />
        ))}
      </ul>
      {list.hasNextPage && (
        <Button busy={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
          {t("memories.older")}
        </Button>
      )}
      {erasing && <Erase memory={erasing} onClose={() => setErasing(null)} />}
    </Page>
  );
}

/** Take one from the list, and put the focus where it is not lost. */
function useForget(): (id: string) => void {
  const queries = useQueryClient();
  return (id) => {
    queries.setQueryData<InfiniteData<Schema["DeletedMemoryPage"]>>(
      KEYS.deleted,
      (list) =>
        list && {
          ...list,
          pages: list.pages.map((page) => ({ ...page, items: page.items.filter((item) => item.id !== id) })),
        },
    );
    document.getElementById(HEADING)?.focus();
  };
}

function Row({ memory, onErase }: { memory: Deleted; onErase: (memory: Deleted) => void }) {
  const { t, i18n } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const forget = useForget();
  const restore = useMutation({
    mutationFn: () =>
      data(api.POST("/v1/memories/{memoryId}/restore", { params: { path: { memoryId: memory.id } } })),
    onSuccess: (restored) => {
      forget(memory.id);
      addStored(queries, [restored]);
      toast({ title: t("memories.restored", { count: 1 }) });
    },
  });
  return (
    <li className={styles["row"]}>
      <p className={styles["memory"]}>{memory.text}</p>
      <div className={styles["foot"]}>
        <span className={styles["text"]}>
          {t("memories.goneAt", { day: day(memory.goneAt, i18n.language) })}
        </span>
        <Button small busy={restore.isPending} onClick={() => restore.mutate()}>
          {t("memories.restore")}
        </Button>
        <Button small look="danger" onClick={() => onErase(memory)}>
          {t("memories.erase")}
        </Button>
      </div>
      {restore.error && <Failure error={restore.error} />}
    </li>
  );
}

function Erase({ memory, onClose }: { memory: Deleted; onClose: () => void }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const forget = useForget();
  const erase = useMutation({
    mutationFn: () =>
      api.DELETE("/v1/memories/{memoryId}", {
        params: { path: { memoryId: memory.id }, query: { permanently: true } },
      }),
    onSuccess: () => {
      onClose();
      forget(memory.id);
      void refreshDerived(queries);
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("memories.eraseTitle")}
      description={t("memories.eraseText")}
      actions={
        <>
          <Button onClick={onClose}>{t("memories.cancel")}</Button>
          <Button look="danger" busy={erase.isPending} onClick={() => erase.mutate()}>
            {t("memories.erase")}
          </Button>
        </>
      }
    >
      <blockquote className={styles["quote"]}>{memory.text}</blockquote>
      {erase.error && <Failure error={erase.error} />}
    </Dialog>
  );
}
