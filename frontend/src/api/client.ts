/** The typed client of the API: every call carries the user's token, and every failure is an error of `problems.ts`. */

import createClient, { type Client, type Middleware } from "openapi-fetch";
import { problemOf, UnreachableError } from "./problems";
import type { components, paths } from "./schema";

export type Schema = components["schemas"];
export type Api = Client<paths>;

/** Where access tokens come from. */
export interface TokenSource {
  /** A token that is good now; renewed when it is about to expire. Null when nobody is signed in. */
  current(): Promise<string | null>;
  /** A new token after the API refused the current one; null when the user has to sign in again. */
  renewed(): Promise<string | null>;
  /** Told that the API refuses even a new token: the session was ended elsewhere. */
  refused(): void;
}

/** The API of an instance lies at `api.<host of the web app>`, with the same scheme and port. */
export function apiOrigin(location: Pick<Location, "protocol" | "host">): string {
  return `${location.protocol}//api.${location.host}`;
}

/** A `fetch` that adds the token, renews it once when it is refused, and tells "no answer" from "aborted". */
export function authorizedFetch(tokens: TokenSource, send: typeof fetch = globalThis.fetch): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const first = await attempt(request.clone(), await tokens.current(), send);
    if (first.status !== 401) return first;
    const token = await tokens.renewed();
    if (token === null) return first;
    const second = await attempt(request, token, send);
    if (second.status === 401) tokens.refused();
    return second;
  };
}

async function attempt(request: Request, token: string | null, send: typeof fetch): Promise<Response> {
  if (token !== null) request.headers.set("Authorization", `Bearer ${token}`);
  try {
    return await send(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new UnreachableError(error);
  }
}

/** Turns every answer that is no success into a thrown `ProblemError`. */
const throwProblems: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
  },
};

/** Make the client of an API. */
export function createApi(origin: string, fetch: typeof globalThis.fetch): Api {
  const client = createClient<paths>({ baseUrl: origin, fetch: (request) => fetch(request) });
  client.use(throwProblems);
  return client;
}

/** The body of a successful answer. `throwProblems` has thrown for all others. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await call;
  return data as T;
}
