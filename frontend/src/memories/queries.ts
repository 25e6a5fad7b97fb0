/** How memories are read. */

import { focusManager, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { data, type Api } from "../api/client";
import { useServices } from "../services";
import { KEYS, startOf, withHead, type FeedItem, type Filter, type MemoryList } from "./cache";

const PAGE = 100;
const FRESH_FOR = 30_000;

/** All that is known of a list. */
function itemsOf({ pages }: MemoryList): FeedItem[] {
  return pages.flatMap((page) => page.items.map((memory) => ({ memory })));
}

/** A filter as the API's list takes it. */
export function asked(filter: Filter) {
  return {
    ...(filter.tags.length > 0 && { tag: [...filter.tags] }),
    ...(filter.pinned && { pinned: true }),
    ...(filter.source !== null && { source: filter.source }),
    ...(filter.after !== null && { occurredAfter: startOf(filter.after) }),
    ...(filter.before !== null && { occurredBefore: startOf(filter.before, 1) }),
  };
}

function read(api: Api, filter: Filter, cursor: string | null, signal?: AbortSignal) {
  return data(
    api.GET("/v1/memories", {
      params: { query: { ...asked(filter), limit: PAGE, ...(cursor !== null && { cursor }) } },
      ...(signal && { signal }),
    }),
  );
}

/** All memories that a filter lets through, page by page, the newest first. */
export function useMemoryList(filter: Filter) {
  const { api } = useServices();
  const queries = useQueryClient();
  const list = useInfiniteQuery({
    queryKey: KEYS.list(filter),
    queryFn: ({ pageParam, signal }) => read(api, filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor,
    select: itemsOf,
    // To read all pages of a long list again would take minutes: only its head is, below.
    staleTime: Infinity,
    structuralSharing: false,
  });
  useEffect(() => {
    const refresh = async () => {
      const known = queries.getQueryState<MemoryList>(KEYS.list(filter));
      if (known?.data === undefined || Date.now() - known.dataUpdatedAt < FRESH_FOR) return;
      const page = await read(api, filter, null);
      queries.setQueryData<MemoryList>(KEYS.list(filter), (list) => list && withHead(list, page));
    };
    // A refresh that fails leaves what is known, and the next one comes with the next look at the page.
    const attempt = () => void refresh().catch(() => undefined);
    attempt();
    return focusManager.subscribe(attempt);
  }, [queries, api, filter]);
  return list;
}

/** How many memories there are, by tag and source. */
export function useCounts() {
  const { api } = useServices();
  return useQuery({
    queryKey: KEYS.counts,
    queryFn: ({ signal }) => data(api.GET("/v1/memories/counts", { signal })),
  });
}
