/**
 * Answers that are being written, and questions whose end is not certain yet. They live outside of the screen: an answer
 * goes on while the user looks at something else, and a question that was typed is not lost whatever happens to it.
 */

import type { QueryClient } from "@tanstack/react-query";
import { data, type Api, type Schema } from "../api/client";
import { ProblemError, UnreachableError } from "../api/problems";
import type { Drafts } from "../drafts";
import {
  after,
  asked,
  historyOf,
  isRunning,
  messagesOf,
  type Exchange,
  type RecalledMemory,
} from "./exchange";
import { forgetList, isMissing, keepMessages } from "./messages";
import { ask } from "./stream";

/** A conversation's id, or one of the places of those that have none. */
export const NEW = "new";
export const INCOGNITO = "incognito";

/** The draft of what is typed at a place. */
export const typedDraft = (place: string) => `chat.${place}`;

/** The draft of the questions at a place whose end is not certain. */
const askedDraft = (place: string) => `chat.asked.${place}`;

/** How to answer. */
export interface Choice {
  model: string | null;
  memory: boolean;
}

/** An exchange of this page that is not known to be stored. */
export interface Live extends Exchange {
  choice: Choice;
  /** The question that it is asked instead of. */
  replaces: string | null;
}

interface Means {
  api: Api;
  origin: string;
  fetch: typeof globalThis.fetch;
  queries: QueryClient;
  drafts: Drafts;
  /** Seconds before each time that the API is asked what it kept of an answer that broke off. */
  checks?: readonly number[];
}

/** What is known beyond what the API keeps of an exchange. */
interface Note {
  key: string;
  memories: readonly RecalledMemory[] | null;
}

/** Pods notice within ten seconds that somebody is gone; then they keep what was said. */
const CHECKS = [0.2, 0.6, 1.2, 3, 6, 10];
const FRAME_MILLISECONDS = 40;
const REFUSALS = 2;
const NOTHING: readonly Live[] = [];

export class Talks {
  private readonly lives = new Map<string, readonly Live[]>();
  private readonly notes = new Map<string, Note>();
  private readonly running = new Map<string, AbortController>();
  /** Conversations that began on this page and of which nothing is stored yet. */
  private readonly begun = new Set<string>();
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private made = 0;

  constructor(private readonly means: Means) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The exchanges of a conversation that are not stored, oldest first. The same array until something changes. */
  of(place: string): readonly Live[] {
    return this.lives.get(place) ?? NOTHING;
  }

  /** What this page knows of a stored exchange. */
  note(messageId: string | null): Note | undefined {
    return messageId === null ? undefined : this.notes.get(messageId);
  }

  /** Whether the API can have a conversation: not before the first answer of a new one was kept. */
  canExist(place: string): boolean {
    return place !== NEW && place !== INCOGNITO && !this.begun.has(place);
  }

  /** Bring back the questions whose end was not known when the page was left. */
  restore(place: string): void {
    if (this.of(place).length > 0) return;
    const kept = this.means.drafts.read(askedDraft(place)) as Live[] | null;
    if (kept === null) return;
    const lives = kept.map((live): Live => {
      const state = live.messageId === null ? "refused" : "checking";
      return { ...live, key: this.newKey(), state, error: new UnreachableError() };
    });
    this.set(place, lives);
    for (const { key, state } of lives) if (state === "checking") void this.check(place, key);
  }

  /**
   * Ask a question. Resolves when its answer has ended, however it did: `of` says how.
   *
   * @param begun - Told the id of a conversation that began with it.
   */
  async ask(
    place: string,
    question: string,
    choice: Choice,
    { replaces = null, begun }: { replaces?: string | null; begun?: (id: string) => void } = {},
  ): Promise<void> {
    const live: Live = { ...asked(this.newKey(), question, choice.model), choice, replaces };
    const before = this.of(place);
    this.set(place, [...before, live]);
    const stop = new AbortController();
    this.running.set(live.key, stop);
    let now = place;
    try {
      for await (const event of this.events(place, live, before, stop.signal)) {
        const place = event.name === "started" ? (event.data.conversationId ?? now) : now;
        if (place !== now) {
          this.begun.add(place);
          this.move(live.key, now, place);
          now = place;
          begun?.(place);
        }
        this.change(now, live.key, (held) => after(held, event), event.name === "delta");
      }
      this.finish(now, live.key);
    } catch (error) {
      this.breakOff(now, live.key, error, stop.signal.aborted);
    } finally {
      this.running.delete(live.key);
    }
  }

  /** Stop what is being written. What was said until then is kept. */
  stop(place: string): void {
    for (const { key } of this.of(place)) this.running.get(key)?.abort();
  }

  /** Forget an exchange that is not stored, and (incognito) all that follow. */
  dismiss(place: string, key: string): void {
    const lives = this.of(place);
    const index = lives.findIndex((live) => live.key === key);
    if (index < 0) return;
    this.running.get(key)?.abort();
    this.set(place, place === INCOGNITO ? lives.slice(0, index) : lives.filter((live) => live.key !== key));
  }

  /** Forget all of an incognito conversation. */
  clear(place: string): void {
    this.stop(place);
    this.set(place, []);
  }

  private async *events(place: string, live: Live, before: readonly Live[], signal: AbortSignal) {
    const { origin, fetch, queries } = this.means;
    const incognito = place === INCOGNITO;
    const body: Schema["ChatRequest"] = {
      message: live.question ?? "",
      memory: live.choice.memory,
      ...(live.choice.model !== null && { model: live.choice.model }),
      ...(incognito && { incognito, history: historyOf(before) }),
      // A conversation whose first answer was not kept does not exist: it begins anew.
      ...(this.canExist(place) &&
        !isMissing(queries, place) && { conversationId: place, replaces: live.replaces }),
    };
    for (let refusals = 0; ; refusals += 1) {
      try {
        return yield* ask(origin, fetch, body, signal);
      } catch (error) {
        const untouched = this.find(place, live.key)?.memories === null;
        if (!untouched || refusals >= REFUSALS || !wasTurnedAway(error)) throw error;
        await wait(Math.random() * 0.5 * 2 ** refusals, signal);
      }
    }
  }

  private finish(place: string, key: string): void {
    const live = this.find(place, key);
    if (live === undefined) return;
    if (live.messageId === null) {
      this.emit();
      return;
    }
    this.keep(place, live, messagesOf(live, new Date().toISOString()));
  }

  private breakOff(place: string, key: string, error: unknown, stopped: boolean): void {
    const live = this.find(place, key);
    if (live === undefined) return;
    const lost = error instanceof UnreachableError;
    const end = (state: Live["state"]) => this.change(place, key, (held) => ({ ...held, state, error }));
    if (place === INCOGNITO) {
      if (stopped) end("stopped");
      else end(live.answer === "" ? "refused" : "failed");
    } else if (stopped && live.answer === "") {
      end("stopped");
    } else if (live.messageId === null || (live.answer === "" && !lost)) {
      end("refused");
    } else {
      end(stopped ? "stopped" : "checking");
      void this.check(place, key);
    }
  }

  /** Ask the API what it kept of an exchange. */
  private async check(place: string, key: string): Promise<void> {
    for (const seconds of this.means.checks ?? CHECKS) {
      await wait(seconds);
      const live = this.find(place, key);
      if (live === undefined) return;
      const page = await data(
        this.means.api.GET("/v1/conversations/{conversationId}/messages", {
          params: { path: { conversationId: place }, query: { limit: 10 } },
        }),
      ).catch(() => null);
      const question = page?.items.find(({ id }) => id === live.messageId);
      const answer = page?.items.find(({ id }) => id === live.answerId);
      if (question !== undefined && answer !== undefined) {
        this.keep(place, live, [question, answer]);
        return;
      }
    }
    this.change(place, key, (held) => ({ ...held, state: "unkept" }));
  }

  /** An exchange is stored: from now on the messages that the page has read hold it. */
  private keep(place: string, live: Live, messages: [Schema["MessageView"], Schema["MessageView"]]): void {
    const { queries } = this.means;
    this.notes.set(messages[0].id, { key: live.key, memories: live.memories });
    keepMessages(queries, place, messages, { replaces: live.replaces, isNew: this.begun.delete(place) });
    forgetList(queries);
    this.set(
      place,
      this.of(place).filter(({ key }) => key !== live.key),
    );
  }

  private move(key: string, from: string, place: string): void {
    const live = this.find(from, key);
    if (live === undefined) return;
    this.hold(
      from,
      this.of(from).filter((other) => other.key !== key),
    );
    this.hold(place, [...this.of(place), live]);
  }

  private find(place: string, key: string): Live | undefined {
    return this.of(place).find((live) => live.key === key);
  }

  private change(place: string, key: string, how: (live: Live) => Live, often = false): void {
    const changed = this.of(place).map((live) => (live.key === key ? how(live) : live));
    if (often) {
      this.lives.set(place, changed);
      this.timer ??= setTimeout(() => this.emit(), FRAME_MILLISECONDS);
    } else {
      this.set(place, changed);
    }
  }

  private set(place: string, lives: readonly Live[]): void {
    this.hold(place, lives);
    this.emit();
  }

  /** Hold exchanges, and keep them in the tab in case that the page goes; nothing of incognito ones. */
  private hold(place: string, lives: readonly Live[]): void {
    this.lives.set(place, lives);
    if (place === INCOGNITO) return;
    const kept = lives.map((live) => ({ ...live, memories: null, error: null }));
    this.means.drafts.keep(askedDraft(place), kept.length === 0 ? null : kept);
  }

  private emit(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    for (const listener of this.listeners) listener();
  }

  private newKey(): string {
    this.made += 1;
    return `live-${this.made}`;
  }
}

/** Whether one is still being written among these. */
export function running(lives: readonly Live[]): Live | undefined {
  return lives.find(isRunning);
}

/** Whether the API turned a question away without having begun: asking again costs nothing and doubles nothing. */
function wasTurnedAway(error: unknown): boolean {
  return error instanceof ProblemError && error.status >= 500;
}

function wait(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
