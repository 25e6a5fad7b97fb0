/**
 * Sends what was written, when it can: at once, or after the network is back, or in the next visit.
 *
 * One tab at a time sends (a Web Lock); the API's duplicate guard makes sending again harmless. What fails for a passing
 * reason waits with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"); what is refused for good stays
 * until the user edits or discards it.
 */

import { data, type Api, type Schema } from "../api/client";
import { isPassing, ProblemError } from "../api/problems";
import type { Content } from "./content";
import type { OutboxStore, Waiting } from "./outbox-store";

/** As many as one request to `/v1/memories/batch` may create. */
const BATCH = 100;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;

export interface Stored {
  memory: Schema["MemoryView"];
  duplicate: boolean;
}

interface Parts {
  owner: string;
  api: Api;
  store: OutboxStore;
  locks: LockManager;
  /** Told of each memory that arrived. */
  onStored: (stored: readonly Stored[]) => void;
}

export class Outbox {
  private entries: readonly Waiting[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly channel: BroadcastChannel;
  private stopped = new AbortController();
  private wake: () => void = () => undefined;

  constructor(private readonly parts: Parts) {
    this.channel = new BroadcastChannel(`recall.outbox.${parts.owner}`);
  }

  /** What waits or was refused, the oldest first. The same array until it changes. */
  readonly snapshot = (): readonly Waiting[] => this.entries;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Begin to send, and to hear of other tabs. */
  start(): void {
    this.stopped = new AbortController();
    this.channel.onmessage = () => void this.refresh();
    window.addEventListener("online", this.hurry);
    void this.refresh().then(() => this.send());
  }

  stop(): void {
    this.stopped.abort();
    this.channel.onmessage = null;
    window.removeEventListener("online", this.hurry);
    this.wake();
  }

  /** Keep new memories and send them as soon as possible. Resolves when they are safe on this device. */
  async add(contents: readonly Content[]): Promise<void> {
    const now = Date.now();
    await this.change(
      contents.map((content, index) => ({
        id: crypto.randomUUID(),
        owner: this.parts.owner,
        // In the order in which they were written, also within one millisecond.
        writtenAt: now + index / contents.length,
        content,
        refusal: null,
      })),
      [],
    );
    void this.send();
  }

  /** Send one that was refused again, as it is now. */
  async mend(entry: Waiting, content: Content): Promise<void> {
    await this.change([{ ...entry, content, refusal: null }], []);
    void this.send();
  }

  /** Give up for good what was not sent. */
  async discard(ids: readonly string[]): Promise<void> {
    await this.change([], ids);
  }

  /** Try again now. */
  readonly hurry = (): void => this.wake();

  private async send(): Promise<void> {
    const { locks, owner } = this.parts;
    const { signal } = this.stopped;
    try {
      await locks.request(`recall.outbox.${owner}`, { signal }, () => this.drain(signal));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  private async drain(signal: AbortSignal): Promise<void> {
    let failures = 0;
    for (;;) {
      const waiting = (await this.parts.store.of(this.parts.owner)).filter((entry) => entry.refusal === null);
      if (waiting.length === 0 || signal.aborted) return;
      try {
        await this.deliver(waiting.slice(0, BATCH), failures > 0);
        failures = 0;
      } catch (error) {
        await this.pause(waitBefore(failures, error), signal);
        failures += 1;
      }
    }
  }

  /** Send some, `again` after a failure; throws only for reasons that pass. */
  private async deliver(entries: readonly Waiting[], again: boolean): Promise<void> {
    try {
      const stored = await this.post(entries.map((entry) => entry.content));
      // The lists know the memory before the outbox forgets it: it never blinks away between the two.
      // One that is there already may have come by the first attempt, of which only the answer was lost.
      this.parts.onStored(again ? stored.map((one) => ({ ...one, duplicate: false })) : stored);
      await this.change(
        [],
        entries.map((entry) => entry.id),
      );
    } catch (error) {
      if (isPassing(error) || !(error instanceof ProblemError)) throw error;
      if (entries.length > 1) {
        // One of them makes the API refuse all: find it by sending each alone.
        for (const entry of entries) await this.deliver([entry], again);
      } else {
        const refusal = error.problem.errors?.[0]?.message ?? error.message;
        await this.change(
          entries.map((entry) => ({ ...entry, refusal })),
          [],
        );
      }
    }
  }

  private async post(contents: readonly Content[]): Promise<Stored[]> {
    const { api } = this.parts;
    const [first, ...more] = contents;
    if (first !== undefined && more.length === 0) {
      const memory = await data(api.POST("/v1/memories", { body: first }));
      return [{ memory, duplicate: memory.duplicate }];
    }
    const { created } = await data(api.POST("/v1/memories/batch", { body: { create: [...contents] } }));
    return created.map(({ memory, status }) => ({ memory, duplicate: status === "duplicate" }));
  }

  private pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async change(put: readonly Waiting[], remove: readonly string[]): Promise<void> {
    if (put.length > 0) await this.parts.store.put(put);
    if (remove.length > 0) await this.parts.store.remove(remove);
    await this.refresh();
    this.channel.postMessage("changed");
  }

  private async refresh(): Promise<void> {
    this.entries = await this.parts.store.of(this.parts.owner);
    for (const listener of this.listeners) listener();
  }
}

/** Milliseconds before the next try: what the API asks for, else a random part of a bound that doubles. */
export function waitBefore(failures: number, error: unknown, random = Math.random): number {
  const asked = error instanceof ProblemError ? (error.retryAfter ?? 0) * 1000 : 0;
  return asked + random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures);
}
