/** What a screen needs around it in a test: services with an API that the test answers for, and fresh queries. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, type RenderResult } from "@testing-library/react";
import type { ReactNode } from "react";
import { Router } from "wouter";
import { memoryLocation } from "wouter/memory-location";
import { authorizedFetch, createApi, type TokenSource } from "../api/client";
import type { Session } from "../auth/session";
import type { Configuration } from "../configuration";
import { ServicesContext, type Services } from "../services";
import { ToastGate } from "../ui/toast-gate";

export const CONFIGURATION: Configuration = {
  signInUrl: "https://auth.example.org",
  issuer: "https://issuer.example.org/pool",
  clientId: "client",
  userPoolId: "pool",
  scopes: ["openid"],
  models: ["amazon.nova-lite-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"],
  defaultModel: "amazon.nova-lite-v1:0",
  region: "eu-west-1",
};

export const API = "https://api.example.org";

const SIGNED_IN: TokenSource = {
  current: () => Promise.resolve("token"),
  renewed: () => Promise.resolve("token"),
  refused: () => undefined,
};

/** Services whose calls go through `globalThis.fetch`, which the test answers (with msw). */
export function testServices(changes: Partial<Services> = {}): Services {
  const fetch = authorizedFetch(SIGNED_IN, (...call) => globalThis.fetch(...call));
  const session = {
    ...SIGNED_IN,
    subject: "anna",
    isOver: false,
    wasSignedIn: true,
    subscribe: () => () => undefined,
    guardSignOut: () => () => undefined,
    signIn: vi.fn(),
    signOut: vi.fn((before?: () => Promise<unknown>) => before?.()),
  } as unknown as Session;
  return {
    configuration: CONFIGURATION,
    origin: API,
    api: createApi(API, fetch),
    fetch,
    session,
    ...changes,
  };
}

export interface Shown extends RenderResult {
  services: Services;
  /** Addresses that were opened, the last one last. */
  addresses: readonly string[];
}

/** Render a screen at an address. */
export function show(
  screen: ReactNode,
  { path = "/", ...changes }: { path?: string } & Partial<Services> = {},
): Shown {
  const services = testServices(changes);
  const location = memoryLocation({ path, record: true });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const rendered = render(
    <ServicesContext value={services}>
      <QueryClientProvider client={queries}>
        <Router hook={location.hook} searchHook={location.searchHook}>
          {screen}
        </Router>
        <ToastGate />
      </QueryClientProvider>
    </ServicesContext>,
  );
  return { ...rendered, services, addresses: location.history };
}
