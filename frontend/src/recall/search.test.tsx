import { fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import type { Schema } from "../api/client";
import { MemoriesPage } from "../memories/memories-page";
import { OutboxProvider } from "../remember/outbox-context";
import { keeping, memory, problem } from "../testing/memories";
import { server } from "../testing/server";
import { API, show } from "../testing/services";

const open = (path = "/") =>
  show(
    <OutboxProvider>
      <MemoriesPage />
    </OutboxProvider>,
    { path },
  );

function finding(hits: object[], more: object = {}) {
  const asked: Schema["RecallRequest"][] = [];
  server.use(
    http.post(`${API}/v1/recall`, async ({ request }) => {
      asked.push((await request.json()) as Schema["RecallRequest"]);
      return HttpResponse.json({ hits, byMeaning: true, times: [], ...more });
    }),
  );
  return asked;
}

const spring = { words: "last spring", start: "2024-03-01T00:00:00Z", end: "2024-06-01T00:00:00Z" };
const explained = (text: string, changes = {}) => ({
  memory: memory(text, changes),
  explanation: {
    score: 0.9,
    words: { rank: 1, score: 2, terms: { tea: 1.5, noon: 0.5 }, spans: [{ start: 0, end: 3 }] },
    vector: { rank: 2, similarity: 0.83 },
    time: { ...spring, score: 0.5 },
  },
});

test("what is typed is searched for, marked, explained, and stands in the address", async () => {
  keeping();
  const asked = finding([explained("tea at noon")], { times: [spring], byMeaning: false });
  const { addresses } = open();
  await userEvent.type(screen.getByRole("searchbox"), "tea last spring");
  expect(await screen.findByText("tea", { selector: "mark" })).toBeVisible();
  await waitFor(() => expect(asked.at(-1)).toMatchObject({ query: "tea last spring", limit: 20 }));
  expect(asked.at(-1)?.timeZone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
  expect(addresses.at(-1)).toBe("/?q=tea+last+spring");
  expect(screen.getByText(/is understood as/)).toBeVisible();
  expect(screen.getByText(/found by its words alone/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Why this?" }));
  const why = await screen.findByRole("region", { name: "Why this?" });
  for (const text of ["“tea” and “noon”", "83%", "last spring"]) expect(why).toHaveTextContent(text);
  await userEvent.click(screen.getByRole("button", { name: "Clear the search" }));
  await waitFor(() => expect(addresses.at(-1)).toBe("/"));
});

test("a hit by meaning alone says only that", async () => {
  keeping();
  const { explanation, memory: found } = explained("tea");
  finding([{ memory: found, explanation: { ...explanation, words: null, time: null } }]);
  open("/?q=drink");
  await userEvent.click(await screen.findByRole("button", { name: "Why this?" }));
  expect((await screen.findByRole("region", { name: "Why this?" })).textContent).not.toMatch(
    /Words in it|happened/,
  );
});

test("an address with a query searches at once; Escape and the arrow keys leave the field", async () => {
  keeping(memory("other"));
  finding([{ ...explained("tea"), explanation: { score: 0, words: null, vector: null, time: null } }]);
  open("/?q=tea");
  const field = screen.getByRole("searchbox");
  expect(field).toHaveValue("tea");
  await screen.findByRole("article");
  fireEvent.keyDown(field, { key: "ArrowDown" });
  expect(screen.getByRole("article")).toHaveFocus();
  fireEvent.keyDown(field, { key: "Escape" });
  expect(field).toHaveValue("");
  await screen.findByRole("article", { name: /other/ });
});

test("filters narrow a search; pins and sources among the best hits", async () => {
  keeping(memory("x", { tags: ["drinks"] }));
  const asked = finding([explained("tea", { pinned: true, tags: ["drinks"] }), explained("teapot")]);
  open("/?q=tea");
  await screen.findByText("2 memories found.");
  await userEvent.click(screen.getByRole("button", { name: "Filters" }));
  await userEvent.click(await screen.findByRole("button", { name: /#drinks/ }));
  fireEvent.change(screen.getByLabelText("Happened from"), { target: { value: "2024-01-01" } });
  fireEvent.change(screen.getByLabelText("Happened until"), { target: { value: "2024-12-31" } });
  await userEvent.click(screen.getByLabelText("Pinned only"));
  await screen.findByText(/One memory found/);
  expect(asked.at(-1)).toMatchObject({
    tags: ["drinks"],
    limit: 50,
    occurredAfter: new Date(2024, 0, 1).toISOString(),
    occurredBefore: new Date(2025, 0, 1).toISOString(),
  });
  await userEvent.selectOptions(screen.getByLabelText("Where it came from"), "imported");
  await screen.findByText("No memory meets all of these conditions.");
  await userEvent.selectOptions(screen.getByLabelText("Where it came from"), "");
  await userEvent.click(screen.getByRole("button", { name: /#drinks/ }));
  fireEvent.change(screen.getByLabelText("Happened from"), { target: { value: "" } });
  fireEvent.change(screen.getByLabelText("Happened until"), { target: { value: "" } });
  await userEvent.click(screen.getByLabelText("Pinned only"));
  await waitFor(() => expect(asked.at(-1)).toMatchObject({ tags: [], limit: 20 }));
});

test("conditions are shown and taken away one by one or all at once", async () => {
  keeping(memory("tea", { tags: ["a", "b"] }));
  const { addresses } = open("/?tag=a&tag=b");
  await screen.findByRole("article");
  await userEvent.click(screen.getByRole("button", { name: "Take the tag a away" }));
  expect(addresses.at(-1)).toBe("/?tag=b");
  await userEvent.click(screen.getByRole("button", { name: "Without filters" }));
  expect(addresses.at(-1)).toBe("/");
});

test("nothing found says what to try; more is shown when there is more; failures are said", async () => {
  keeping();
  finding([]);
  const shown = open("/?q=nothing");
  await screen.findByText(/Try other words/);
  shown.unmount();
  const asked = finding(Array.from({ length: 20 }, (_, index) => explained(`tea ${index}`)));
  const more = open("/?q=tea");
  await userEvent.click(await screen.findByRole("button", { name: "Show more" }));
  await waitFor(() => expect(asked.at(-1)?.limit).toBe(50));
  more.unmount();
  server.use(http.post(`${API}/v1/recall`, () => problem(503, "unavailable"), { once: true }));
  open("/?q=other");
  await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await screen.findByText("20 memories found.");
});

test("a filter that nothing meets says so", async () => {
  keeping(memory("tea"));
  const { addresses } = open("/?tag=none");
  await screen.findByText("No memory meets all of these conditions.");
  const [, below] = screen.getAllByRole("button", { name: "Without filters" });
  fireEvent.click(below ?? document.body);
  expect(addresses.at(-1)).toBe("/");
});

describe("by time", () => {
  function living() {
    keeping();
    const noon = (month: number, day: number) => new Date(2024, month - 1, day, 12).toISOString();
    const tea = memory("tea", { occurredAt: noon(3, 15) });
    const bread = memory("bread", { createdAt: noon(3, 2) });
    const milk = memory("milk", { occurredAt: noon(1, 2), createdAt: noon(3, 3) });
    server.use(
      http.get(`${API}/v1/memories`, ({ request }) => {
        const query = new URL(request.url).searchParams;
        const within = (at: string | null, name: string) =>
          at !== null && at >= (query.get(`${name}After`) ?? "9") && at < (query.get(`${name}Before`) ?? "0");
        const found = query.has("occurredAfter")
          ? [tea, milk].filter(({ occurredAt }) => within(occurredAt, "occurred"))
          : [tea, bread, milk].filter(({ createdAt }) => within(createdAt, "created"));
        const rest = query.get("cursor") === null && found.length > 1;
        return HttpResponse.json({
          items: rest ? found.slice(0, 1) : query.has("cursor") ? found.slice(1) : found,
          nextCursor: rest ? "1" : null,
        });
      }),
    );
  }

  test("a month shows its days, one of them alone when it is chosen", async () => {
    living();
    const { addresses } = open("/?view=calendar&period=2024-03");
    const day = await screen.findByRole("button", { name: /15 March 2024|March 15, 2024/ });
    await screen.findByRole("article", { name: "tea" });
    expect(screen.getByRole("article", { name: "bread" })).toBeInTheDocument();
    await userEvent.click(day);
    expect(screen.queryByRole("article", { name: "bread" })).toBeNull();
    await userEvent.click(day);
    await userEvent.click(day);
    await userEvent.click(screen.getByRole("button", { name: "Show the whole month" }));
    await userEvent.click(screen.getByRole("button", { name: /16 March 2024|March 16, 2024/ }));
    expect(screen.getByText("No memories of this day")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "Later" }));
    expect(addresses.at(-1)).toBe("/?view=calendar&period=2024-04");
    await screen.findByText("No memories from this time");
    fireEvent.change(screen.getByLabelText("Go to"), { target: { value: "2024-03" } });
    await userEvent.click(screen.getByRole("button", { name: "Earlier" }));
    expect(addresses.at(-1)).toBe("/?view=calendar&period=2024-02");
  });

  test("arrow keys go through the days, and stop at the month's ends", async () => {
    living();
    open("/?view=calendar&period=2024-03");
    const first = await screen.findByRole("button", { name: /1 March 2024|March 1, 2024/ });
    first.focus();
    await userEvent.keyboard("{ArrowRight}{ArrowDown}{ArrowLeft}a");
    expect(document.activeElement).toHaveAttribute("data-date", "8");
    await userEvent.keyboard("{End}{ArrowDown}");
    expect(document.activeElement).toHaveAttribute("data-date", "31");
    await userEvent.keyboard("{Home}{ArrowUp}");
    expect(document.activeElement).toHaveAttribute("data-date", "1");
  });

  test("a year is a timeline; what is deleted there gives the focus on", async () => {
    living();
    server.use(http.delete(`${API}/v1/memories/:id`, () => new HttpResponse(null, { status: 204 })));
    open("/?view=timeline&period=2024");
    const tea = await screen.findByRole("article", { name: "tea" });
    expect(screen.getByRole("heading", { name: "March 2024" })).toBeVisible();
    expect(screen.getByRole("heading", { name: "January 2024" })).toBeVisible();
    tea.focus();
    await userEvent.keyboard("{Delete}");
    expect(screen.getByRole("article", { name: "bread" })).toHaveFocus();
    fireEvent.change(screen.getByLabelText("Go to"), { target: { value: "2020" } });
    await screen.findByText("No memories from this time");
    await userEvent.click(screen.getByRole("button", { name: "Calendar" }));
    expect(screen.getByRole("grid")).toBeVisible();
  });

  test("what cannot be read is said", async () => {
    keeping();
    server.use(http.get(`${API}/v1/memories`, () => problem(503, "unavailable")));
    open("/?view=timeline");
    await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
    expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
  });
});
