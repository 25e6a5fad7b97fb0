/** What screens know of memories, kept true after each change without reading thousands of them again. */

import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Schema } from "../api/client";

export type Memory = Schema["MemoryView"];
export type MemoryPage = Schema["MemoryPage"];
export type MemoryList = InfiniteData<MemoryPage, string | null>;

/** A memory in a list. */
export interface FeedItem {
  memory: Memory;
  /** Why a search found it. */
  explanation?: Schema["Explanation"];
}

/** Which memories are shown. Dates are days (`2024-03-15`) of the user's time zone, both included. */
export interface Filter {
  tags: readonly string[];
  pinned: boolean;
  source: Schema["Source"] | null;
  after: string | null;
  before: string | null;
}

export const EVERYTHING: Filter = { tags: [], pinned: false, source: null, after: null, before: null };

export const KEYS = {
  /** Everything that is known of memories. */
  all: ["memories"],
  lists: ["memories", "list"],
  list: (filter: Filter) => ["memories", "list", filter] as const,
  recalls: ["memories", "recall"],
  ranges: ["memories", "range"],
  range: (start: string, end: string) => ["memories", "range", start, end] as const,
  counts: ["memories", "counts"],
  deleted: ["memories", "deleted"],
  ones: ["memories", "one"],
  one: (id: string) => ["memories", "one", id] as const,
  history: (id: string) => ["memories", "history", id] as const,
};

/** The first moment of a day in the user's time zone, `days` later, as the API takes it. */
export function startOf(day: string, days = 0): string {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return new Date(year, month - 1, date + days).toISOString();
}

/** Whether a filter lets a memory through, as the API's list does. */
export function matches(memory: Memory, filter: Filter): boolean {
  const { occurredAt } = memory;
  const at = occurredAt === null ? null : Date.parse(occurredAt);
  return (
    filter.tags.every((tag) => memory.tags.includes(tag)) &&
    (!filter.pinned || memory.pinned) &&
    (filter.source === null || filter.source === memory.source) &&
    (filter.after === null || (at !== null && at >= Date.parse(startOf(filter.after)))) &&
    (filter.before === null || (at !== null && at < Date.parse(startOf(filter.before, 1))))
  );
}

/** Put memories in where they belong: lists go by id, which grows with time, the newest first. */
export function inserted(list: MemoryList, memories: readonly Memory[]): MemoryList {
  const pages = list.pages.map((page) => page);
  for (const memory of memories) {
    if (pages.some((page) => page.items.some(({ id }) => id === memory.id))) continue;
    const place = pages.findIndex((page) => (page.items.at(-1)?.id ?? "") < memory.id);
    const index = place === -1 ? pages.length - 1 : place;
    const page = pages[index];
    // Past the last page that is known: it comes when that part of the list is read.
    if (page === undefined || (place === -1 && page.nextCursor !== null)) continue;
    const items = [...page.items, memory].sort((one, other) => (one.id < other.id ? 1 : -1));
    pages[index] = { ...page, items };
  }
  return { ...list, pages };
}

/** The list after its first page was read again: what lies within that page is as it says, the rest stays. */
export function withHead(list: MemoryList, head: MemoryPage): MemoryList {
  const last = head.items.at(-1)?.id;
  // A page of a filtered list may hold nothing though more follows: it says nothing of what is known.
  if (last === undefined && head.nextCursor !== null) return list;
  const known = list.pages.flatMap((page) => page.items);
  const overlaps = last !== undefined && known.some(({ id }) => id >= last);
  if (head.nextCursor === null || !overlaps) return { pages: [head], pageParams: [null] };
  const pages = list.pages.map((page) => ({ ...page, items: page.items.filter(({ id }) => id < last) }));
  const [first, ...rest] = pages;
  const start = { items: [...head.items, ...(first?.items ?? [])], nextCursor: first?.nextCursor ?? null };
  return { pages: [start, ...rest], pageParams: list.pageParams };
}

/** New or restored memories: they appear in every list that they belong to. */
export function addStored(queries: QueryClient, memories: readonly Memory[]): void {
  for (const [key, list] of queries.getQueriesData<MemoryList>({ queryKey: KEYS.lists })) {
    if (list === undefined) continue;
    const belonging = memories.filter((memory) => matches(memory, key[2] as Filter));
    queries.setQueryData(key, inserted(list, belonging));
  }
  void refreshDerived(queries);
}

/** Change memories wherever they are shown; null takes them away. */
export function changeMemories(queries: QueryClient, change: (memory: Memory) => Memory | null): void {
  const changed = (items: readonly Memory[]) => items.map(change).filter((memory) => memory !== null);
  queries.setQueriesData<MemoryList>(
    { queryKey: KEYS.lists },
    (list) => list && { ...list, pages: list.pages.map((page) => ({ ...page, items: changed(page.items) })) },
  );
  queries.setQueriesData<Memory>({ queryKey: KEYS.ones }, (memory) => memory && (change(memory) ?? memory));
  queries.setQueriesData<Memory[]>({ queryKey: KEYS.ranges }, (items) => items && changed(items));
  queries.setQueriesData<Schema["RecallAnswer"]>(
    { queryKey: KEYS.recalls },
    (answer) =>
      answer && {
        ...answer,
        hits: answer.hits.flatMap((hit) => {
          const memory = change(hit.memory);
          return memory === null ? [] : [{ ...hit, memory }];
        }),
      },
  );
}

/** Read again what is derived from memories: counts, searches, months. */
export async function refreshDerived(queries: QueryClient): Promise<void> {
  await Promise.all(
    [KEYS.counts, KEYS.recalls, KEYS.ranges, KEYS.deleted].map((queryKey) =>
      queries.invalidateQueries({ queryKey }),
    ),
  );
}
