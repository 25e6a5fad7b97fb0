/** Models in a person's words: names, and what an answer costs. */

import { queryOptions } from "@tanstack/react-query";
import { data, type Api, type Schema } from "../api/client";

export function modelsQuery(api: Api) {
  return queryOptions({
    queryKey: ["models"],
    queryFn: () => data(api.GET("/v1/models")),
    staleTime: Infinity,
  });
}

/** "anthropic.claude-haiku-4-5-20251001-v1:0" as "Claude Haiku 4.5": without maker, date and revision. */
export function modelName(id: string): string {
  const name = id
    .replace(/^(?:[a-z]{2,6}\.)?[a-z0-9]+\./, "")
    .replace(/-v\d+(?::\d+)?$/, "")
    .replace(/-\d{8}$/, "")
    .replace(/(\d)-(?=\d)/g, "$1.");
  return name
    .split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

/** Tokens of an ordinary question with its memories, and of an ordinary answer. */
const ORDINARY = { input: 1_500, output: 300 };

/** What an ordinary answer costs, in micro-dollars. Prices are micro-dollars per million tokens. */
export function ordinaryCost({ input, output }: Schema["PriceView"]): number {
  return (input * ORDINARY.input + output * ORDINARY.output) / 1_000_000;
}

const KEPT = "recall.chat.model";

/** The model that was chosen in this browser, where the instance still has it; null stands for the instance's own choice. */
export function keptModel(storage: Storage, offered: readonly string[]): string | null {
  const kept = storage.getItem(KEPT);
  return kept !== null && offered.includes(kept) ? kept : null;
}

/** Remember a choice in this browser. */
export function keepModel(storage: Storage, model: string): void {
  storage.setItem(KEPT, model);
}
