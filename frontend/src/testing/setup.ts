import "@testing-library/jest-dom/vitest";
import "fake-indexeddb/auto";
import { cleanup, configure } from "@testing-library/react";
import { loadWords, startLanguage } from "../i18n";
import { server } from "./server";

// As long as a busy machine may take.
configure({ asyncUtilTimeout: 4_000 });

// What jsdom lacks. Nothing has a size there: lists that look at sizes get the one below, once.
class OneLook implements ResizeObserver {
  constructor(private readonly told: ResizeObserverCallback) {}
  observe(): void {
    queueMicrotask(() => this.told([], this));
  }
  unobserve(): void {
    // looks once only
  }
  disconnect(): void {
    // looks once only
  }
}
window.ResizeObserver = OneLook;
Object.defineProperty(HTMLElement.prototype, "offsetHeight", { configurable: true, get: () => 100 });
window.scrollTo = () => undefined;

/** Locks of one page: who asks later waits until the former has ended. */
const held = new Map<string, Promise<unknown>>();
Object.defineProperty(navigator, "locks", {
  value: {
    request: (name: string, _: LockOptions, work: () => Promise<unknown>) => {
      const turn = (held.get(name) ?? Promise.resolve()).then(work, work);
      held.set(name, turn);
      return turn;
    },
  },
});

beforeAll(async () => {
  await startLanguage("en");
  for (const part of ["account", "chat", "import", "tour"] as const) await loadWords(part);
  server.listen({ onUnhandledFrame: "error" });
});

afterEach(() => {
  cleanup();
  server.resetHandlers();
  localStorage.clear();
  sessionStorage.clear();
});

afterAll(() => server.close());
