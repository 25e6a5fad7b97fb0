/** What every screen works with, made once when the page opens. */

import { createContext, use } from "react";
import type { Api } from "./api/client";
import type { Session } from "./auth/session";
import type { Configuration } from "./configuration";

export interface Services {
  configuration: Configuration;
  /** Origin of the API. */
  origin: string;
  api: Api;
  /** A `fetch` with the user's token, for what the typed client does not do: streams and files. */
  fetch: typeof globalThis.fetch;
  session: Session;
}

export const ServicesContext = createContext<Services | null>(null);

/** The services of this page. Throws outside of `ServicesContext`. */
export function useServices(): Services {
  const services = use(ServicesContext);
  if (services === null) throw new Error("no services: a component stands outside of ServicesContext");
  return services;
}
