/** A conversation as the page shows it: what the API has, and what is under way. */

import { useInfiniteQuery, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { data } from "../api/client";
import { ProblemError } from "../api/problems";
import { Drafts } from "../drafts";
import { useServices, type Services } from "../services";
import { exchangesOf, type Exchange } from "./exchange";
import { CONVERSATIONS, messagesQuery } from "./messages";
import { INCOGNITO, NEW, running, Talks } from "./talks";

const made = new WeakMap<Services, Talks>();

/** The talks of this page: they outlive the screen, and end with the page. */
function talksOf(services: Services, queries: QueryClient): Talks {
  const known = made.get(services);
  if (known !== undefined) return known;
  const { api, origin, fetch, session } = services;
  const talks = new Talks({ api, origin, fetch, queries, drafts: new Drafts(session.subject ?? "") });
  made.set(services, talks);
  return talks;
}

export function useTalk(place: string) {
  const services = useServices();
  const { api } = services;
  const queries = useQueryClient();
  const talks = talksOf(services, queries);
  const lives = useSyncExternalStore(talks.subscribe, () => talks.of(place));
  const exists = talks.canExist(place);
  const messages = useInfiniteQuery({ ...messagesQuery(api, place), enabled: exists });
  const about = useQuery({
    queryKey: [...CONVERSATIONS, place, "about"],
    queryFn: () =>
      data(api.GET("/v1/conversations/{conversationId}", { params: { path: { conversationId: place } } })),
    enabled: exists && messages.isSuccess,
  });

  useEffect(() => talks.restore(place), [talks, place]);

  const exchanges = useMemo(() => {
    const stored = exchangesOf(messages.data?.pages.flatMap((page) => page.items).reverse() ?? []);
    const noted = stored.map((exchange): Exchange => ({ ...exchange, ...talks.note(exchange.messageId) }));
    const known = new Set(stored.map(({ messageId }) => messageId));
    return lives
      .filter(({ messageId }) => messageId === null || !known.has(messageId))
      .reduce<Exchange[]>((all, live) => {
        const { replaces } = live;
        const stay = ({ messageId }: Exchange) =>
          replaces === null || messageId === null || messageId < replaces;
        return [...all.filter(stay), live];
      }, noted);
  }, [messages.data, lives, talks]);

  const missing =
    exists && messages.error instanceof ProblemError && messages.error.status === 404 && lives.length === 0;
  return {
    talks,
    exchanges,
    messages,
    missing,
    title: place === NEW || place === INCOGNITO ? null : (about.data?.title ?? null),
    live: running(lives),
    stop: useCallback(() => talks.stop(place), [talks, place]),
  };
}
