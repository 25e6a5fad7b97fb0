/** A question and its answer, as it is written: the API's server-sent events, typed. */

import { EventSourceParserStream } from "eventsource-parser/stream";
import type { Schema } from "../api/client";
import { problemOf, ProblemError, UnreachableError, type Problem } from "../api/problems";

export type ChatEvent =
  | { name: "started"; data: Schema["StartedEvent"] }
  | { name: "recalled"; data: Schema["RecalledEvent"] }
  | { name: "delta"; data: Schema["DeltaEvent"] }
  | { name: "citation"; data: Schema["CitationEvent"] }
  | { name: "guardrail"; data: Schema["GuardrailEvent"] }
  | { name: "proposal"; data: Schema["ProposalEvent"] }
  | { name: "done"; data: Schema["DoneEvent"] };

/**
 * Ask a question and yield the events of its answer. Aborting the signal stops the model.
 *
 * Throws `ProblemError` for a refusal or an answer that failed, `UnreachableError` for one that broke off: a stream that
 * ends without `done` is not whole.
 */
export async function* ask(
  origin: string,
  fetch: typeof globalThis.fetch,
  question: Schema["ChatRequest"],
  signal: AbortSignal,
): AsyncGenerator<ChatEvent, void> {
  const response = await fetch(`${origin}/v1/chat`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(question),
    signal,
  });
  if (!response.ok || response.body === null) throw await problemOf(response);
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  const reader = events.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        if (signal.aborted) throw error;
        throw new UnreachableError(error);
      });
      if (done) throw new UnreachableError();
      const data: unknown = JSON.parse(value.data);
      if (value.event === "error") throw new ProblemError(data as Problem);
      yield { name: value.event, data } as ChatEvent;
      if (value.event === "done") return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
