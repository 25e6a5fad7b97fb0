/** Search as you type. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { data } from "../api/client";
import { KEYS, matches, startOf, type Filter } from "../memories/cache";
import { useServices } from "../services";

/** Milliseconds between keys that are one burst, such as a word that is pasted key by key: only its last is waited for. */
export const PAUSE = 40;
const FEW = 20;
/** As many as the API gives. */
export const MANY = 50;

/** A value without the bursts in which it changes: its first change at once, those that follow when they have ended. */
export function useSettled<T>(value: T, milliseconds: number): T {
  const [settled, setSettled] = useState(value);
  const changed = useRef(-Infinity);
  useEffect(() => {
    const now = performance.now();
    const inBurst = now - changed.current < milliseconds;
    changed.current = now;
    const timer = setTimeout(() => setSettled(value), inBurst ? milliseconds : 0);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}

/** The best memories for a query. A newer query gives the older one's request up; what it found stays until then. */
export function useRecall(query: string, filter: Filter, many: boolean) {
  const { api } = useServices();
  // Pins and sources are no part of a search at the API: they are looked for among as many hits as there are.
  const limit = many || filter.pinned || filter.source !== null ? MANY : FEW;
  return useQuery({
    queryKey: [...KEYS.recalls, query, filter, limit],
    queryFn: async ({ signal }) => {
      const answer = await data(
        api.POST("/v1/recall", {
          body: {
            query,
            limit,
            tags: [...filter.tags],
            occurredAfter: filter.after === null ? null : startOf(filter.after),
            occurredBefore: filter.before === null ? null : startOf(filter.before, 1),
            timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
          },
          signal,
        }),
      );
      const hits = answer.hits.filter(({ memory }) =>
        matches(memory, { ...filter, tags: [], after: null, before: null }),
      );
      return { ...answer, hits, hasMore: answer.hits.length === limit && limit < MANY };
    },
    enabled: query !== "",
    placeholderData: keepPreviousData,
  });
}
