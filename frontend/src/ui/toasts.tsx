/** Short messages at the edge of the screen, such as "deleted", with a way to undo. Loaded with the first message. */

import { lazy, Suspense, useSyncExternalStore } from "react";

const ToastList = lazy(() => import("./toast-list"));

export interface ToastOptions {
  title: string;
  description?: string;
  kind?: "info" | "danger";
  /** One thing to do about it. */
  action?: { label: string; run: () => void };
  /** Whether it stays until it is closed. */
  lasting?: boolean;
}

let told: readonly ToastOptions[] = [];
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Show a message. It goes by itself, later when there is something to do about it; pointing at it keeps it. */
export function toast(options: ToastOptions): void {
  told = [...told, options];
  for (const listener of listeners) listener();
}

/** Take the messages that were not shown yet. */
export function takeToasts(): readonly ToastOptions[] {
  const taken = told;
  told = [];
  return taken;
}

/** How many messages were not shown yet, as they come. */
export function useToldCount(): number {
  return useSyncExternalStore(subscribe, () => told.length);
}

/** Where messages appear; stands once in the page. */
export function Toasts() {
  const needed = useSyncExternalStore(subscribe, wasNeeded);
  return needed ? (
    <Suspense fallback={null}>
      <ToastList />
    </Suspense>
  ) : null;
}

let ever = false;

function wasNeeded(): boolean {
  ever ||= told.length > 0;
  return ever;
}
