/** A question and its answer, as the page shows them: stored ones and those that are under way. */

import type { Schema } from "../api/client";
import type { ChatEvent } from "./stream";

export type Citation = Schema["CitationEvent"];
export type Proposal = Schema["ProposalView"];
export type StoredMessage = Schema["MessageView"];
export type RecalledMemory = Schema["RecalledMemory"];

/**
 * `waiting` and `writing` are under way. `complete`, `stopped`, `failed` and `blocked` are the API's words for how an
 * answer ended. `checking`: the connection was lost, the API is being asked what it kept. `unkept`: it kept nothing of
 * it. `refused`: there is no answer at all.
 */
export type State =
  "waiting" | "writing" | "complete" | "stopped" | "failed" | "blocked" | "checking" | "unkept" | "refused";

export interface Exchange {
  /** Stays the same while an exchange becomes a stored one. */
  key: string;
  /** Null: the question is not loaded yet. */
  question: string | null;
  messageId: string | null;
  answerId: string | null;
  answer: string;
  state: State;
  stopReason: string | null;
  model: string | null;
  /** Micro-dollars; null while it is not known. */
  cost: number | null;
  citations: readonly Citation[];
  /** Ids of the memories that the model was given. */
  recalled: readonly string[];
  /** The same with their texts and why they were chosen; known for answers of this page only. */
  memories: readonly RecalledMemory[] | null;
  proposals: readonly Proposal[];
  error: unknown;
  /** Whether the API has it. */
  stored: boolean;
}

/** Whether an answer is still being written. */
export function isRunning({ state }: Pick<Exchange, "state">): boolean {
  return state === "waiting" || state === "writing";
}

/** Whether it is certain what became of an exchange: until then asking again could double it. */
export function isSettled({ stored, state, answer, messageId }: Exchange): boolean {
  return stored || messageId === null || answer === "" || state === "unkept" || state === "refused";
}

/** A question that was just asked. */
export function asked(key: string, question: string, model: string | null): Exchange {
  return {
    key,
    question,
    messageId: null,
    answerId: null,
    answer: "",
    state: "waiting",
    stopReason: null,
    model,
    cost: null,
    citations: [],
    recalled: [],
    memories: null,
    proposals: [],
    error: null,
    stored: false,
  };
}

/** An exchange after an event of its answer. */
export function after<E extends Exchange>(exchange: E, { name, data }: ChatEvent): E {
  switch (name) {
    case "started":
      return { ...exchange, model: data.model, messageId: data.messageId, answerId: data.answerId };
    case "recalled":
      return { ...exchange, memories: data.memories, recalled: data.memories.map((memory) => memory.id) };
    case "delta":
      return { ...exchange, state: "writing", answer: exchange.answer + data.text };
    case "citation":
      return { ...exchange, citations: [...exchange.citations, data] };
    case "guardrail":
      return { ...exchange, state: "blocked", stopReason: data.stopReason };
    case "proposal": {
      const { id, text, start, end } = data;
      const proposal: Proposal = { id, text, start, end, decision: "pending", memoryId: null };
      return { ...exchange, proposals: [...exchange.proposals, proposal] };
    }
    case "done":
      return {
        ...exchange,
        state: exchange.state === "blocked" ? "blocked" : "complete",
        stopReason: data.stopReason,
        cost: data.costMicroDollars,
      };
  }
}

/** An exchange as the API stores it: its question and its answer. */
export function messagesOf(exchange: Exchange, createdAt: string): [StoredMessage, StoredMessage] {
  const nothing = { model: null, status: null, stopReason: null, costMicroDollars: null };
  const question: StoredMessage = {
    ...nothing,
    id: exchange.messageId ?? "",
    role: "user",
    text: exchange.question ?? "",
    createdAt,
    citations: [],
    recalled: [],
    proposals: [...exchange.proposals],
  };
  const answer: StoredMessage = {
    id: exchange.answerId ?? "",
    role: "assistant",
    text: exchange.answer,
    createdAt,
    model: exchange.model,
    status: exchange.state === "blocked" ? "blocked" : "complete",
    stopReason: exchange.stopReason,
    citations: [...exchange.citations],
    recalled: [...exchange.recalled],
    proposals: [],
    costMicroDollars: exchange.cost,
  };
  return [question, answer];
}

/** Stored messages, in their order, as exchanges. The first answer may lack its question: that is on the next page. */
export function exchangesOf(messages: readonly StoredMessage[]): Exchange[] {
  const exchanges: Exchange[] = [];
  let question: StoredMessage | null = null;
  for (const message of messages) {
    if (message.role === "user") {
      question = message;
      continue;
    }
    exchanges.push({
      key: question?.id ?? message.id,
      question: question?.text ?? null,
      messageId: question?.id ?? null,
      answerId: message.id,
      answer: message.text,
      state: message.status ?? "complete",
      stopReason: message.stopReason,
      model: message.model,
      cost: message.costMicroDollars,
      citations: message.citations,
      recalled: message.recalled,
      memories: null,
      proposals: question?.proposals ?? [],
      error: null,
      stored: true,
    });
    question = null;
  }
  return exchanges;
}

/** What an incognito question takes along of what was said before: whole exchanges that were not held back. */
export function historyOf(exchanges: readonly Exchange[]): Schema["ChatMessage"][] {
  return exchanges
    .filter(({ state, answer }) => state !== "blocked" && answer.trim() !== "")
    .flatMap(({ question, answer }): Schema["ChatMessage"][] => [
      { role: "user", text: question ?? "" },
      { role: "assistant", text: answer },
    ])
    .slice(-MAX_HISTORY);
}

/** The most messages that the API takes as history. */
const MAX_HISTORY = 200;
