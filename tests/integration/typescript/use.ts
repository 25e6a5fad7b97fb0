// What a page would write against the generated types; it is checked, never run.
import createClient from "openapi-fetch";

import type { components, operations, paths } from "./build/api";

type Memory = components["schemas"]["MemoryView"];
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => undefined;

const client = createClient<paths>({ baseUrl: "https://api.beta.example.org" });

export async function memories(tag: string): Promise<Memory[]> {
  const found: Memory[] = [];
  let cursor: string | null = null;
  do {
    const query: NonNullable<operations["listMemories"]["parameters"]["query"]> = { tag: [tag], limit: 100 };
    if (cursor !== null) query.cursor = cursor;
    const { data, error } = await client.GET("/v1/memories", { params: { query } });
    if (error !== undefined) throw new Error(error.detail ?? error.title);
    found.push(...data.items);
    cursor = data.nextCursor;
  } while (cursor !== null);
  return found;
}

export async function rename(memory: Memory, text: string): Promise<Memory> {
  const { data, error, response } = await client.PATCH("/v1/memories/{memoryId}", {
    params: { path: { memoryId: memory.id }, header: { "If-Match": `"${memory.version}"` } },
    body: { text },
  });
  if (error !== undefined) throw new Error(`${response.status}: ${error.type}`);
  return data;
}

export async function remember(text: string): Promise<boolean> {
  const { data, error } = await client.POST("/v1/memories", { body: { text } });
  if (error !== undefined) throw new Error((error.errors ?? []).map(({ field }) => field).join());
  // @ts-expect-error a field that no memory has
  void data.colour;
  return data.duplicate;
}

export async function recall(query: string): Promise<[string, number][]> {
  const { data, error } = await client.POST("/v1/recall", { body: { query, timeZone: "Europe/Berlin" } });
  if (error !== undefined) throw new Error(error.title);
  return data.hits.map(({ memory, explanation }) => [memory.text, explanation.score]);
}

export async function ask(content: string): Promise<string> {
  const { data, error } = await client.POST("/v1/openai/chat/completions", {
    body: { model: "amazon.nova-lite-v1:0", messages: [{ role: "user", content }] },
  });
  if (error !== undefined) throw new Error(error.error.message);
  if (typeof data === "string") throw new Error("a stream was not asked for");
  return data.choices.map(({ message }) => message.content).join("");
}

export function told(name: keyof Events, data: string): void {
  const event = JSON.parse(data) as Events[typeof name];
  void event;
}

interface Events {
  recalled: components["schemas"]["RecalledEvent"];
  delta: components["schemas"]["DeltaEvent"];
  citation: components["schemas"]["CitationEvent"];
  done: components["schemas"]["DoneEvent"];
  error: components["schemas"]["Problem"];
}

export async function exported(): Promise<string> {
  const { data, error } = await client.GET("/v1/exports/memories", {
    params: { query: { format: "markdown" } },
    parseAs: "text",
  });
  if (error !== undefined) throw new Error(error.title);
  same<typeof data, string>(true);
  return data;
}

same<Memory["source"], "typed" | "imported" | "accepted">(true);
same<Memory["occurredAt"], string | null>(true);
same<components["schemas"]["RecalledEvent"]["memories"][number]["number"], number>(true);
