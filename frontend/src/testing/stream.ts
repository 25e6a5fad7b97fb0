/** An answer of the API as a test writes it, event by event. */

import type { Schema } from "../api/client";

interface Data {
  started: Schema["StartedEvent"];
  recalled: Schema["RecalledEvent"];
  delta: Schema["DeltaEvent"];
  citation: Schema["CitationEvent"];
  guardrail: Schema["GuardrailEvent"];
  proposal: Schema["ProposalEvent"];
  done: Schema["DoneEvent"];
  error: Schema["Problem"];
}

export class Stream {
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  private readonly waiting: string[] = [];
  isClosed = false;

  response(): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.controller = controller;
        for (const text of this.waiting.splice(0)) this.write(text);
      },
      cancel: () => {
        this.isClosed = true;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  send<N extends keyof Data>(name: N, data: Data[N]): void {
    this.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  started(changes: Partial<Data["started"]> = {}): void {
    const nothing = { conversationId: null, messageId: null, answerId: null };
    this.send("started", { model: "amazon.nova-lite-v1:0", stored: true, ...nothing, ...changes });
  }

  done(changes: Partial<Data["done"]> = {}): void {
    const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0 };
    const model = "amazon.nova-lite-v1:0";
    this.send("done", {
      model,
      stopReason: "end_turn",
      usage,
      latencyMs: 1,
      costMicroDollars: 0,
      ...changes,
    });
    this.controller?.close();
  }

  /** The connection breaks. */
  breakOff(): void {
    this.controller?.error(new TypeError("network error"));
  }

  private write(text: string): void {
    if (this.controller === null) this.waiting.push(text);
    else this.controller.enqueue(new TextEncoder().encode(text));
  }
}
