/** What is looked for, in the page's address: so that Back, reload and bookmarks work. */

import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { EVERYTHING, type Filter } from "../memories/cache";

export const SOURCES = ["typed", "imported", "accepted"] as const;
export const VIEWS = ["list", "timeline", "calendar"] as const;
export type View = (typeof VIEWS)[number];

export interface Look {
  query: string;
  filter: Filter;
  view: View;
  /** The month (`2024-03`) or year (`2024`) that a view by time shows; null is the present one. */
  period: string | null;
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const PERIOD = /^\d{4}(-(0[1-9]|1[0-2]))?$/;

const matching = (pattern: RegExp, value: string | null) =>
  value !== null && pattern.test(value) ? value : null;

/** Read an address; what makes no sense in it is as if it was not there. */
export function lookOf(parameters: URLSearchParams): Look {
  return {
    query: parameters.get("q") ?? "",
    filter: {
      ...EVERYTHING,
      tags: parameters.getAll("tag"),
      pinned: parameters.has("pinned"),
      source: SOURCES.find((source) => source === parameters.get("source")) ?? null,
      after: matching(DAY, parameters.get("after")),
      before: matching(DAY, parameters.get("before")),
    },
    view: VIEWS.find((view) => view === parameters.get("view")) ?? "list",
    period: matching(PERIOD, parameters.get("period")),
  };
}

/** The address of what is looked for: the shorter, the less is asked. */
export function parametersOf({ query, filter, view, period }: Look): URLSearchParams {
  const parameters = new URLSearchParams();
  if (query !== "") parameters.set("q", query);
  for (const tag of filter.tags) parameters.append("tag", tag);
  if (filter.pinned) parameters.set("pinned", "");
  if (filter.source !== null) parameters.set("source", filter.source);
  if (filter.after !== null) parameters.set("after", filter.after);
  if (filter.before !== null) parameters.set("before", filter.before);
  if (view !== "list") parameters.set("view", view);
  if (period !== null) parameters.set("period", period);
  return parameters;
}

/** What is looked for now, and how to look for something else; `replace` leaves no step for Back. */
export function useLook(): [Look, (changes: Partial<Look>, replace?: boolean) => void] {
  const [parameters, setParameters] = useSearchParams();
  const look = useMemo(() => lookOf(parameters), [parameters]);
  const change = useCallback(
    (changes: Partial<Look>, replace = false) =>
      setParameters((now) => parametersOf({ ...lookOf(now), ...changes }), { replace }),
    [setParameters],
  );
  return [look, change];
}

/** How many conditions a filter has. */
export function conditions(filter: Filter): number {
  return (
    filter.tags.length +
    [filter.pinned, filter.source, filter.after, filter.before].filter(
      (part) => part !== null && part !== false,
    ).length
  );
}
