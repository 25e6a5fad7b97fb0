/** Short messages to who uses the app, such as "deleted", with a way to undo. */

import { useSyncExternalStore } from "react";

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

/** Whether there was ever a message to show. */
export function useEverTold(): boolean {
  return useSyncExternalStore(subscribe, everTold);
}

let ever = false;

function everTold(): boolean {
  ever ||= told.length > 0;
  return ever;
}
