/** The first screen: the box that takes a memory, the search, and all memories. */

import { BookHeart, Filter as FilterIcon } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { Page } from "../layout/page";
import { conditions, useLook } from "../recall/address";
import { Results } from "../recall/results";
import { SearchBar } from "../recall/search-bar";
import { BOX, SEARCH } from "../remember/quick-remember";
import { useWaiting } from "../remember/outbox-context";
import { RememberBox } from "../remember/remember-box";
import { WaitingList } from "../remember/waiting-list";
import { Button } from "../ui/button";
import { EmptyState } from "../ui/empty-state";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { EVERYTHING, type Filter } from "./cache";
import styles from "./memories-page.module.css";
import { useMemoryList } from "./queries";
import { SelectionProvider, useSelection } from "./selection";

const SelectionBar = lazy(() => import("./selection-bar"));
const Feed = lazy(() => import("./feed"));
const ByTime = lazy(() => import("../recall/by-time"));

export function MemoriesPage() {
  return (
    <SelectionProvider>
      <Memories />
    </SelectionProvider>
  );
}

function Memories() {
  const { t } = useTranslation();
  const [look, setLook] = useLook();
  const { selected } = useSelection();
  const onFilter = (filter: Filter) => setLook({ filter });
  return (
    <Page
      title={t("memories.title")}
      actions={
        <div className={styles["also"]}>
          <Link href="/import">{t("memories.import")}</Link>
          <Link href="/deleted">{t("memories.deletedTitle")}</Link>
        </div>
      }
    >
      <RememberBox id={BOX} />
      <WaitingList />
      <SearchBar look={look} onLook={setLook} />
      {look.query !== "" ? (
        <Results query={look.query} filter={look.filter} onFilter={onFilter} />
      ) : look.view === "list" ? (
        <All filter={look.filter} onFilter={onFilter} />
      ) : (
        <Suspense fallback={<Loading />}>
          <ByTime look={look} onLook={setLook} />
        </Suspense>
      )}
      {selected.size > 0 && (
        <Suspense fallback={null}>
          <SelectionBar fallback={SEARCH} />
        </Suspense>
      )}
    </Page>
  );
}

function All({ filter, onFilter }: { filter: Filter; onFilter: (filter: Filter) => void }) {
  const { t } = useTranslation();
  const list = useMemoryList(filter);
  const nothingWaits = useWaiting().length === 0;
  const { hasNextPage, isFetching, isError, fetchNextPage } = list;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  const items = list.data ?? [];
  // A page of a filtered list may hold nothing and still not be the last.
  const isBlank = list.isSuccess && items.length === 0 && hasNextPage;
  useEffect(() => {
    if (isBlank) onEnd();
  }, [isBlank, onEnd]);
  const isEmpty = list.isSuccess && items.length === 0 && !hasNextPage;
  return (
    <>
      {list.isPending && <Loading />}
      {items.length > 0 && (
        <Suspense fallback={<Loading />}>
          <Feed
            label={t("memories.title")}
            items={items}
            busy={isFetching}
            onEnd={hasNextPage ? onEnd : undefined}
            fallback={SEARCH}
          />
        </Suspense>
      )}
      {list.isFetchingNextPage && <Loading />}
      {list.error && (
        <Failure
          error={list.error}
          retry={() => void (list.isFetchNextPageError ? fetchNextPage() : list.refetch())}
        />
      )}
      {isEmpty && conditions(filter) > 0 && (
        <EmptyState
          icon={<FilterIcon />}
          title={t("recall.nothing")}
          actions={<Button onClick={() => onFilter(EVERYTHING)}>{t("recall.noFilters")}</Button>}
        >
          {t("recall.nothingFiltered")}
        </EmptyState>
      )}
      {isEmpty && conditions(filter) === 0 && nothingWaits && (
        <EmptyState
          icon={<BookHeart />}
          title={t("memories.emptyTitle")}
          actions={
            <>
              <Button look="primary" onClick={() => document.getElementById(BOX)?.focus()}>
                {t("memories.emptyWrite")}
              </Button>
              <Link href="/import">{t("memories.import")}</Link>
            </>
          }
        >
          <p>{t("memories.emptyText")}</p>
          <p>{t("memories.emptyKeys")}</p>
        </EmptyState>
      )}
    </>
  );
}
