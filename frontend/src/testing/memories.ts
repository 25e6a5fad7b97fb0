/** Memories as the API would answer with them, and an API that keeps them. */

import { http, HttpResponse } from "msw";
import type { Schema } from "../api/client";
import { server } from "./server";
import { API } from "./services";

type Memory = Schema["MemoryView"];

let made = 0;

/** A memory that says `text`; later ones have greater ids, as in the API. */
export function memory(text: string, changes: Partial<Memory> = {}): Memory {
  made += 1;
  const at = new Date(Date.UTC(2024, 4, 1, 12, 0, made)).toISOString();
  return {
    id: `01HX${String(made).padStart(22, "0")}`,
    text,
    tags: [],
    occurredAt: null,
    pinned: false,
    neverSendTo: [],
    source: "typed",
    origin: "",
    version: 1,
    createdAt: at,
    updatedAt: at,
    ...changes,
  };
}

export const problem = (status: number, kind: string, extra: Partial<Schema["Problem"]> = {}) =>
  HttpResponse.json(
    {
      type: `urn:recall:problem:${kind}`,
      title: "Refused",
      status,
      detail: "Because.",
      errors: null,
      ...extra,
    },
    { status },
  );

/** An API with these memories; it takes new ones, deletes and restores. Returns what it holds. */
export function keeping(...memories: Memory[]) {
  const held = [...memories];
  const gone: Memory[] = [];
  const byTag = () => Object.fromEntries(held.flatMap(({ tags }) => tags.map((tag) => [tag, 1])));
  server.use(
    http.get(`${API}/v1/memories`, ({ request }) => {
      const tags = new URL(request.url).searchParams.getAll("tag");
      const items = held.filter((one) => tags.every((tag) => one.tags.includes(tag)));
      return HttpResponse.json({ items: items.toSorted((a, b) => (a.id < b.id ? 1 : -1)), nextCursor: null });
    }),
    http.get(`${API}/v1/memories/counts`, () =>
      HttpResponse.json({ total: held.length, pinned: 0, deleted: 0, bySource: {}, byTag: byTag() }),
    ),
    http.post(`${API}/v1/memories`, async ({ request }) => {
      const body = (await request.json()) as Schema["MemoryCreate"];
      const known = held.find(({ text }) => text === body.text);
      if (known) return HttpResponse.json({ ...known, duplicate: true });
      const stored = memory(body.text, body);
      held.push(stored);
      return HttpResponse.json({ ...stored, duplicate: false }, { status: 201 });
    }),
    http.post(`${API}/v1/memories/batch`, async ({ request }) => {
      const body = (await request.json()) as Schema["MemoryBatch"];
      const created = (body.create ?? []).map((one) => {
        const stored = memory(one.text, one);
        held.push(stored);
        return { status: "created", memory: stored };
      });
      const deleted = (body.delete ?? []).map((id) => {
        const index = held.findIndex((one) => one.id === id);
        gone.push(...held.splice(index, 1));
        return { status: "deleted", id };
      });
      return HttpResponse.json({ created, deleted });
    }),
    http.delete(`${API}/v1/memories/:id`, ({ params }) => {
      const index = held.findIndex(({ id }) => id === params["id"]);
      gone.push(...held.splice(index, 1));
      return new HttpResponse(null, { status: 204 });
    }),
    http.post(`${API}/v1/memories/:id/restore`, ({ params }) => {
      const index = gone.findIndex(({ id }) => id === params["id"]);
      const back = gone[index];
      gone.splice(index, index === -1 ? 0 : 1);
      if (back === undefined) return problem(404, "not-found");
      held.push(back);
      return HttpResponse.json(back);
    }),
    http.patch(`${API}/v1/memories/:id`, async ({ params, request }) => {
      const index = held.findIndex(({ id }) => id === params["id"]);
      const now = held[index];
      if (now === undefined) return problem(404, "not-found");
      const expected = request.headers.get("if-match");
      if (expected !== null && expected !== `"${now.version}"`) return problem(412, "precondition-failed");
      const change = (await request.json()) as Partial<Memory>;
      held[index] = { ...now, ...change, version: now.version + 1 };
      return HttpResponse.json(held[index]);
    }),
    http.get(`${API}/v1/memories/:id`, ({ params, request }) => {
      if (request.url.includes("/counts")) return;
      const found = held.find(({ id }) => id === params["id"]);
      return found ? HttpResponse.json(found) : problem(404, "not-found");
    }),
  );
  return { held, gone };
}
