/**
 * What was typed and is not stored yet: in the tab's own storage, under the user's name, so that it survives reloads and the
 * way to the sign-in pages. It goes away with the tab; nobody else who signs in here is shown it.
 */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import { DRAFTS } from "./local-data";
import { useServices } from "./services";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The drafts of one user (`sub`). */
export class Drafts {
  private readonly prefix: string;

  constructor(owner: string) {
    this.prefix = `${DRAFTS}${owner}.`;
  }

  /** What was kept under a name; null when nothing was. */
  read(name: string): unknown {
    const kept = this.raw(name);
    return kept === null ? null : JSON.parse(kept);
  }

  /** The same as it is stored: equal as long as it does not change. */
  raw(name: string): string | null {
    return sessionStorage.getItem(this.prefix + name);
  }

  /** Keep something under a name; null forgets it. */
  keep(name: string, draft: unknown): void {
    if (draft === null) sessionStorage.removeItem(this.prefix + name);
    else sessionStorage.setItem(this.prefix + name, JSON.stringify(draft));
    for (const listener of listeners) listener();
  }

  /** The names of all. */
  names(): string[] {
    return Object.keys(sessionStorage)
      .filter((key) => key.startsWith(this.prefix))
      .map((key) => key.slice(this.prefix.length));
  }

  /** Forget all. */
  forget(): void {
    for (const name of this.names()) this.keep(name, null);
  }
}

/** The drafts of the user who is signed in. */
export function useDrafts(): Drafts {
  const { session } = useServices();
  const owner = session.subject ?? "";
  return useMemo(() => new Drafts(owner), [owner]);
}

/** One draft of the user who is signed in, and how to change it; null is none. */
export function useDraft<T>(name: string): [T | null, (draft: T | null) => void] {
  const drafts = useDrafts();
  const kept = useSyncExternalStore(subscribe, () => drafts.raw(name));
  const change = useCallback((draft: T | null) => drafts.keep(name, draft), [drafts, name]);
  return [kept === null ? null : (JSON.parse(kept) as T), change];
}
