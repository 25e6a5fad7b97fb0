/** What the instance says about itself (`GET /v1/config`): one build serves all instances. */

import type { Schema } from "./api/client";
import { problemOf, UnreachableError } from "./api/problems";

export type Configuration = Schema["PublicConfiguration"];

const KEPT = "recall.configuration";

/** Ask the instance for its configuration. The last answer is kept, so that the app also opens without a network. */
export async function loadConfiguration(
  origin: string,
  storage: Storage,
  send = globalThis.fetch,
): Promise<Configuration> {
  try {
    const response = await send(`${origin}/v1/config`).catch((error: unknown) => {
      throw new UnreachableError(error);
    });
    if (!response.ok) throw await problemOf(response);
    const configuration = (await response.json()) as Configuration;
    storage.setItem(KEPT, JSON.stringify(configuration));
    return configuration;
  } catch (error) {
    const kept = storage.getItem(KEPT);
    if (kept === null) throw error;
    return JSON.parse(kept) as Configuration;
  }
}
