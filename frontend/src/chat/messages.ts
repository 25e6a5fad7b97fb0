/** The conversations and messages that this page has read of the API. */

import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Api, Schema } from "../api/client";
import { data } from "../api/client";
import { ProblemError } from "../api/problems";
import type { Proposal, StoredMessage } from "./exchange";

type Pages = InfiniteData<Schema["MessagePage"], string | null>;

export const CONVERSATIONS = ["conversations"] as const;
const LIST = [...CONVERSATIONS, "list"] as const;
export const messagesKey = (conversation: string) => [...CONVERSATIONS, conversation, "messages"] as const;

/** Messages of a conversation, page by page, the last one first. */
export function messagesQuery(api: Api, conversation: string) {
  return {
    queryKey: messagesKey(conversation),
    queryFn: ({ pageParam }: { pageParam: string | null }) =>
      data(
        api.GET("/v1/conversations/{conversationId}/messages", {
          params: {
            path: { conversationId: conversation },
            query: { limit: 50, ...(pageParam !== null && { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Schema["MessagePage"]) => page.nextCursor,
  };
}

/** Conversations, page by page, those begun last first. */
export function listQuery(api: Api) {
  return {
    queryKey: LIST,
    queryFn: ({ pageParam }: { pageParam: string | null }) =>
      data(
        api.GET("/v1/conversations", {
          params: { query: { limit: 100, ...(pageParam !== null && { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Schema["ConversationPage"]) => page.nextCursor,
  };
}

/** Whether the API said that it has no such conversation. */
export function isMissing(queries: QueryClient, conversation: string): boolean {
  const error = queries.getQueryState(messagesKey(conversation))?.error;
  return error instanceof ProblemError && error.status === 404;
}

/** Put a stored exchange at the end of what was read, in place of the question `replaces` and all after it. */
export function keepMessages(
  queries: QueryClient,
  conversation: string,
  [question, answer]: readonly [StoredMessage, StoredMessage],
  { replaces, isNew }: { replaces: string | null; isNew: boolean },
): void {
  queries.setQueryData<Pages>(messagesKey(conversation), (pages) => {
    const added = [answer, question];
    const all: Pages = { pages: [{ items: added, nextCursor: null }], pageParams: [null] };
    // Of an older conversation there is more than this: it is read when it is shown.
    if (pages === undefined) return isNew ? all : undefined;
    const stays = ({ id }: StoredMessage) =>
      id !== question.id && id !== answer.id && (replaces === null || id < replaces);
    return {
      ...pages,
      pages: pages.pages.map((page, index) => ({
        ...page,
        items: [...(index === 0 ? added : []), ...page.items.filter(stays)],
      })),
    };
  });
}

/** Note what was decided about a proposal. */
export function keepDecision(
  queries: QueryClient,
  conversation: string,
  id: string,
  change: Pick<Proposal, "decision" | "memoryId">,
): void {
  queries.setQueryData<Pages>(
    messagesKey(conversation),
    (pages) =>
      pages && {
        ...pages,
        pages: pages.pages.map((page) => ({
          ...page,
          items: page.items.map((message) => ({
            ...message,
            proposals: message.proposals.map((proposal) =>
              proposal.id === id ? { ...proposal, ...change } : proposal,
            ),
          })),
        })),
      },
  );
}

/** The list of conversations has changed. */
export function forgetList(queries: QueryClient): void {
  void queries.invalidateQueries({ queryKey: LIST });
}
