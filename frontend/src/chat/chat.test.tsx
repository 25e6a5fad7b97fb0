import { configure, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { Route } from "wouter";
import type { Schema } from "../api/client";
import { server } from "../testing/server";
import { API, show, type Shown } from "../testing/services";
import { Stream } from "../testing/stream";
import ChatPage from "./chat-page";

const ID = "01J0000000000000000000000A";
const QUESTION_ID = "01J000000000000000000000M0";
const ANSWER_ID = "01J000000000000000000000M1";

const MODELS: Schema["ModelList"] = {
  models: [
    {
      id: "amazon.nova-lite-v1:0",
      default: true,
      invokedAs: "eu.amazon.nova-lite-v1:0",
      capabilities: {
        citesNatively: false,
        systemPrompt: true,
        tools: true,
        prefill: false,
        temperatureWithTopP: true,
        promptCaching: false,
      },
      price: { input: 60_000, output: 240_000, cacheRead: 0, cacheWrite: 0, known: true },
    },
    {
      id: "anthropic.claude-haiku-4-5-20251001-v1:0",
      default: false,
      invokedAs: "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
      capabilities: {
        citesNatively: true,
        systemPrompt: true,
        tools: true,
        prefill: false,
        temperatureWithTopP: true,
        promptCaching: true,
      },
      price: { input: 1_000_000, output: 5_000_000, cacheRead: 0, cacheWrite: 0, known: false },
    },
  ],
  residency: "geo",
  guardrail: false,
  pricesAsOf: "2026-11-01",
  pricesSource: "",
  capabilitiesAsOf: "2026-11-01",
};

const message = (changes: Partial<Schema["MessageView"]>): Schema["MessageView"] => ({
  id: QUESTION_ID,
  role: "user",
  text: "What can I not eat?",
  createdAt: "2026-11-20T10:00:00Z",
  model: null,
  status: null,
  stopReason: null,
  citations: [],
  recalled: [],
  proposals: [],
  costMicroDollars: null,
  ...changes,
});

const answered = (changes: Partial<Schema["MessageView"]> = {}) =>
  message({
    id: ANSWER_ID,
    role: "assistant",
    text: "Peanuts.",
    model: "amazon.nova-lite-v1:0",
    status: "complete",
    stopReason: "end_turn",
    costMicroDollars: 1_200,
    ...changes,
  });

const MEMORY: Schema["MemoryView"] = {
  id: "m1",
  text: "🥜 I am allergic to peanuts.",
  tags: [],
  occurredAt: null,
  pinned: false,
  neverSendTo: [],
  source: "typed",
  origin: "",
  version: 1,
  createdAt: "2026-01-02T10:00:00Z",
  updatedAt: "2026-01-02T10:00:00Z",
};

const problem = (status: number, kind: string, more = {}) =>
  HttpResponse.json(
    {
      type: `urn:recall:problem:${kind}`,
      title: "Refused",
      status,
      detail: "Because.",
      errors: null,
      ...more,
    },
    { status },
  );

/** The API's conversations: one, with these messages (the last one first), or none. */
function stored(messages: Schema["MessageView"][] | null, title = "Food"): void {
  const view = {
    id: ID,
    title,
    createdAt: "2026-11-20T10:00:00Z",
    updatedAt: "2026-11-20T10:00:00Z",
    messages: 2,
  };
  server.use(
    http.get(`${API}/v1/conversations`, () =>
      HttpResponse.json({ items: messages === null ? [] : [view], nextCursor: null }),
    ),
    http.get(`${API}/v1/conversations/${ID}`, () => HttpResponse.json(view)),
    http.get(`${API}/v1/conversations/${ID}/messages`, () =>
      messages === null
        ? problem(404, "not-found")
        : HttpResponse.json({ items: messages, nextCursor: null }),
    ),
    http.get(`${API}/v1/models`, () => HttpResponse.json(MODELS)),
  );
}

/** Questions that arrive, and the streams that answer them. */
function answering(...streams: (Stream | (() => Response))[]): Schema["ChatRequest"][] {
  const asked: Schema["ChatRequest"][] = [];
  server.use(
    http.post(`${API}/v1/chat`, async ({ request }) => {
      asked.push((await request.json()) as Schema["ChatRequest"]);
      const stream = streams[Math.min(asked.length, streams.length) - 1];
      return stream instanceof Stream ? stream.response() : (stream?.() ?? HttpResponse.error());
    }),
  );
  return asked;
}

const open = (path = "/chat"): Shown =>
  show(<Route path="/chat/:conversation?" component={ChatPage} />, { path });

const box = () => screen.getByRole("textbox", { name: "Your question" });
const type = async (text: string) => {
  await userEvent.click(box());
  const enter = text.endsWith("{Enter}");
  await userEvent.paste(text.replace("{Enter}", ""));
  if (enter) await userEvent.keyboard("{Enter}");
};
function first(elements: readonly HTMLElement[]): HTMLElement {
  const [element] = elements;
  if (element === undefined) throw new Error("there is none");
  return element;
}
const STARTED = { conversationId: ID, messageId: QUESTION_ID, answerId: ANSWER_ID };

const scrolled = vi.fn();

/** What is watched by observers of the browser, which jsdom lacks; a test says when it is seen. */
const watched = new Map<Element, () => void>();

class Observer {
  private readonly callback: (entries: object[]) => void;
  private element: Element | null = null;

  constructor(callback: (entries: object[]) => void) {
    this.callback = callback;
  }

  observe(element: Element): void {
    this.element = element;
    watched.set(element, () => this.callback([{ isIntersecting: true }]));
  }

  disconnect(): void {
    if (this.element !== null) watched.delete(this.element);
  }
}

// What is read aloud stands in the page a second time.
configure({ defaultIgnore: "script, style, [data-announcer]", asyncUtilTimeout: 5_000 });
vi.setConfig({ testTimeout: 20_000 });

beforeEach(() => {
  vi.stubGlobal("ResizeObserver", Observer);
  vi.stubGlobal("IntersectionObserver", Observer);
  scrolled.mockClear();
  vi.stubGlobal("scrollTo", scrolled);
  vi.stubGlobal("scrollBy", vi.fn());
  stored(null);
});

test("an answer is written, cites, proposes, costs, and stays when it is stored", async () => {
  const stream = new Stream();
  const asked = answering(stream);
  const shown = open();
  await type("What can I not eat?{Enter}");
  expect(await screen.findByText("Looking through your memories…")).toBeVisible();
  expect(asked).toEqual([{ message: "What can I not eat?", memory: true }]);
  stream.started(STARTED);
  stream.send("recalled", {
    memories: [
      {
        ...MEMORY,
        number: 1,
        explanation: {
          score: 1,
          words: { rank: 1, score: 1, terms: { allerg: 1 }, spans: [{ start: 7, end: 15 }] },
          vector: { rank: 1, similarity: 0.823 },
          time: { words: "last spring", start: "", end: "", score: 1 },
        },
      },
    ],
    byMeaning: true,
  });
  expect(await screen.findByText("Thinking…")).toBeVisible();
  await waitFor(() => expect(shown.addresses.at(-1)).toBe(`/chat/${ID}`));
  stream.send("delta", { text: "**Peanuts**, and" });
  stream.send("citation", { number: 1, memoryId: "m1", start: 2, end: 28, answerOffset: 11 });
  stream.send("delta", { text: " nothing else." });
  stream.send("proposal", { id: "p1", text: "I eat no meat", start: 0, end: 13, messageId: QUESTION_ID });
  stream.done({ costMicroDollars: 1_200 });
  expect((await screen.findByText("Peanuts")).tagName).toBe("STRONG");
  expect(await screen.findByText("So far $0.0012")).toBeVisible();
  expect(document.querySelector("[data-announcer]")).toHaveTextContent("**Peanuts**, and nothing else.");

  await userEvent.click(screen.getByRole("button", { name: /^Memory 1/ }));
  const popover = await screen.findByRole("dialog");
  expect(within(popover).getByText("I am allergic to peanuts.").tagName).toBe("MARK");
  expect(within(popover).getByRole("link", { name: "Open the memory" })).toHaveAttribute(
    "href",
    "/memories/m1",
  );
  await userEvent.keyboard("{Escape}");

  await userEvent.click(screen.getByText("One memory was given to the model"));
  expect(
    await screen.findByText("shares “allergic” · close in meaning (82%) · from last spring"),
  ).toBeVisible();
  expect(box()).toHaveValue("");
});

test("Escape stops the model, and what the API kept takes its place", async () => {
  const stream = new Stream();
  answering(stream);
  open();
  await type("Tell me{Enter}");
  stream.started(STARTED);
  stream.send("delta", { text: "Once upon" });
  expect(await screen.findByText("Once upon")).toBeVisible();
  stored([
    answered({ text: "Once upon", status: "stopped", costMicroDollars: 700 }),
    message({ text: "Tell me" }),
  ]);
  await userEvent.keyboard("{Escape}");
  expect(await screen.findByText("You stopped the answer")).toBeVisible();
  expect(await screen.findByRole("button", { name: "Answer again" }, { timeout: 4000 })).toBeVisible();
  expect(screen.getByText("Nova Lite · about $0.0007")).toBeVisible();
  expect(screen.getByText("So far $0.0007")).toBeVisible();
  expect(stream.isClosed).toBe(true);
  expect(box()).toHaveFocus();
});

test("an answer that the API kept as broken off is shown as such, and can be asked again", async () => {
  const [one, two] = [new Stream(), new Stream()];
  const asked = answering(one, two);
  open();
  await type("Tell me{Enter}");
  one.started(STARTED);
  one.send("delta", { text: "Once" });
  await screen.findByText("Once");
  stored([answered({ text: "Once", status: "failed", costMicroDollars: 0 }), message({ text: "Tell me" })]);
  one.send("error", {
    type: "urn:recall:problem:unavailable",
    title: "x",
    status: 503,
    detail: "",
    instance: null,
    errors: null,
  });
  expect(await screen.findByText("The answer broke off", undefined, { timeout: 4000 })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Ask again" }));
  await waitFor(() =>
    expect(asked[1]).toEqual({ message: "Tell me", memory: true, conversationId: ID, replaces: QUESTION_ID }),
  );
  two.started({
    ...STARTED,
    messageId: "01J000000000000000000000N0",
    answerId: "01J000000000000000000000N1",
  });
  two.send("delta", { text: "Twice" });
  two.send("guardrail", { stopReason: "guardrail_intervened", message: "" });
  two.done({ stopReason: "guardrail_intervened" });
  expect(await screen.findByText("The answer was held back")).toBeVisible();
  expect(screen.queryByText("Once")).not.toBeInTheDocument();
  expect(screen.getAllByText("Tell me")).toHaveLength(1);
});

test("a lost connection keeps what came, asks the API, and gives the question back", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 100 });
  const stream = new Stream();
  answering(stream);
  open();
  await type("Tell me{Enter}");
  stream.started(STARTED);
  stream.send("delta", { text: "Once upon" });
  await screen.findByText("Once upon");
  stream.breakOff();
  expect(await screen.findByText("The connection was lost")).toBeVisible();
  expect(screen.getByText("Once upon")).toBeVisible();
  await vi.advanceTimersByTimeAsync(40_000);
  await userEvent.click(await screen.findByRole("button", { name: "Put it back into the box" }));
  expect(box()).toHaveValue("Tell me");
  expect(screen.queryByText("Once upon")).not.toBeInTheDocument();
  vi.useRealTimers();
});

test("a question whose end was not known when the page was left is there again", async () => {
  const kept = {
    question: "Tell me",
    messageId: null,
    answer: "",
    choice: { model: null, memory: true },
    replaces: null,
  };
  const rest = {
    citations: [],
    recalled: [],
    memories: null,
    proposals: [],
    stored: false,
    state: "waiting",
    model: null,
  };
  sessionStorage.setItem("recall.draft.anna.chat.asked.new", JSON.stringify([{ ...kept, ...rest }]));
  const stream = new Stream();
  const asked = answering(stream);
  open();
  expect(await screen.findByText("Recall cannot be reached")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Ask again" }));
  await waitFor(() => expect(asked).toHaveLength(1));
});

test("all questions that were refused are there again after a reload", async () => {
  answering(() => problem(422, "unprocessable"));
  const { unmount } = open();
  await type("First{Enter}");
  expect(await screen.findAllByText(/Your question stays here/)).toHaveLength(1);
  await type("Second{Enter}");
  await waitFor(() => expect(screen.getAllByText(/Your question stays here/)).toHaveLength(2));
  unmount();
  open();
  expect(await screen.findByText("First")).toBeVisible();
  expect(screen.getByText("Second")).toBeVisible();
  const [again] = screen.getAllByRole("button", { name: "Put it back into the box" });
  if (again) await userEvent.click(again);
  expect(box()).toHaveValue("First");
  expect(sessionStorage.getItem("recall.draft.anna.chat.asked.new")).not.toContain("First");
});

test("an exchange that was kept meanwhile is shown as the API has it", async () => {
  const live = {
    question: "Tell me",
    messageId: QUESTION_ID,
    answerId: ANSWER_ID,
    answer: "On",
    choice: {},
    replaces: null,
  };
  const rest = {
    citations: [],
    recalled: [],
    memories: null,
    proposals: [],
    stored: false,
    state: "writing",
    model: null,
  };
  sessionStorage.setItem(`recall.draft.anna.chat.asked.${ID}`, JSON.stringify([{ ...live, ...rest }]));
  stored([answered({ text: "Once upon a time", stopReason: "max_tokens" }), message({ text: "Tell me" })]);
  open(`/chat/${ID}`);
  expect(await screen.findByText("Once upon a time")).toBeVisible();
  expect(screen.getByText("The answer has reached its greatest length")).toBeVisible();
  await waitFor(() => expect(sessionStorage.getItem(`recall.draft.anna.chat.asked.${ID}`)).toBeNull());
});

test.each([
  ["budget-spent", 429, { resetsAt: "2026-12-01T00:00:00Z" }, /works again on December 1, 2026/],
  ["budget-spent", 429, {}, /Chat works again when/],
  ["unauthorized", 401, {}, /Sign in again to send it/],
  ["unprocessable", 422, {}, /Because\. Your question stays here/],
])("what refuses a question is explained: %s %i", async (kind, status, more, text) => {
  answering(() => problem(status, kind, more));
  const shown = open();
  const signIn = vi.spyOn(shown.services.session, "signIn");
  await type("Tell me{Enter}");
  expect(await screen.findByText(text)).toBeVisible();
  if (status === 401) {
    await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(signIn).toHaveBeenCalled();
  } else {
    await userEvent.click(screen.getByRole("button", { name: "Put it back into the box" }));
    expect(box()).toHaveValue("Tell me");
  }
});

test("a question that was turned away is asked again by itself", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.01);
  const stream = new Stream();
  const asked = answering(() => problem(503, "busy"), stream);
  open();
  await type("Tell me{Enter}");
  await waitFor(() => expect(asked).toHaveLength(2));
  stream.started(STARTED);
  stream.send("delta", { text: "Now" });
  stream.done();
  expect(await screen.findByText("Now")).toBeVisible();
});

test("incognito: nothing has an id, and what was said is taken along", async () => {
  const [one, two, three] = [new Stream(), new Stream(), new Stream()];
  const asked = answering(one, two, three);
  const shown = open("/chat/incognito");
  expect(await screen.findByText("Nothing of this is stored")).toBeVisible();
  await type("My name is Ada{Enter}");
  one.started({ stored: false });
  one.send("delta", { text: "Hello Ada" });
  one.done();
  await screen.findByRole("button", { name: "Answer again" });
  await type("Who am I?{Enter}");
  await waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]).toEqual({
    message: "Who am I?",
    memory: true,
    incognito: true,
    history: [
      { role: "user", text: "My name is Ada" },
      { role: "assistant", text: "Hello Ada" },
    ],
  });
  two.started({ stored: false });
  two.send("delta", { text: "Ada" });
  await screen.findByText("Ada");
  two.breakOff();
  expect(await screen.findByText("The answer broke off")).toBeVisible();
  await userEvent.click(first(screen.getAllByRole("button", { name: "Edit the question" })));
  const edit = screen.getByRole("textbox", { name: "The question, edited" });
  await userEvent.clear(edit);
  await userEvent.type(edit, "My name is Eve{Enter}");
  await waitFor(() => expect(asked).toHaveLength(3));
  expect(asked[2]).toMatchObject({ message: "My name is Eve", history: [] });
  expect(screen.queryByText("Who am I?")).not.toBeInTheDocument();
  await userEvent.keyboard("{Escape}");
  expect(await screen.findByText("There was nothing to keep yet.")).toBeVisible();
  expect(sessionStorage).toHaveLength(0);
  await userEvent.click(screen.getByRole("link", { name: "End incognito" }));
  expect(shown.addresses.at(-1)).toBe("/chat");
  expect(screen.queryByText("My name is Eve")).not.toBeInTheDocument();
});

test("a stored conversation is read, older parts when they come into sight", async () => {
  stored([answered(), message({})]);
  server.use(
    http.get(`${API}/v1/conversations/${ID}/messages`, ({ request }) => {
      const older = new URL(request.url).searchParams.get("cursor") === "more";
      const items = older
        ? [
            answered({
              id: "01H0000000000000000000000B",
              text: "Earlier.",
              status: "blocked",
              stopReason: "content_filtered",
            }),
            message({ id: "01H0000000000000000000000A", text: "Before" }),
          ]
        : [answered(), message({})];
      return HttpResponse.json({ items, nextCursor: older ? null : "more" });
    }),
  );
  open(`/chat/${ID}`);
  expect(await screen.findByText("At least $0.0012")).toBeVisible();
  const older = screen.getByRole("button", { name: "Show what was said before" });
  watched.get(older.parentElement as Element)?.();
  expect(await screen.findByText("Earlier.")).toBeVisible();
  expect(screen.getByText(/The model's own filter stepped in/)).toBeVisible();
  expect(screen.getByText("So far $0.0024")).toBeVisible();
  expect(await screen.findByRole("heading", { name: "Food", level: 1 })).toBeVisible();
});

test("scrolling up stops following, and a button leads back", async () => {
  stored([answered(), message({})]);
  open(`/chat/${ID}`);
  await screen.findByText("Peanuts.");
  const root = document.documentElement;
  vi.spyOn(root, "scrollHeight", "get").mockReturnValue(5_000);
  vi.spyOn(root, "clientHeight", "get").mockReturnValue(500);
  for (const top of [1_000, 800]) {
    Object.assign(window, { scrollY: top });
    window.dispatchEvent(new Event("scroll"));
  }
  await userEvent.click(await screen.findByRole("button", { name: "To the newest" }));
  expect(scrolled).toHaveBeenLastCalledWith({ top: 5_000 });
  expect(box()).toHaveFocus();
  scrolled.mockClear();
  for (const seen of watched.values()) seen();
  expect(scrolled).toHaveBeenCalled();
});

test("a conversation is renamed, and deleted after a question", async () => {
  stored([answered(), message({})]);
  const calls: unknown[] = [];
  server.use(
    http.patch(`${API}/v1/conversations/${ID}`, async ({ request }) => {
      calls.push(await request.json());
      return HttpResponse.json({ id: ID, title: "Allergies", createdAt: "", updatedAt: "", messages: 2 });
    }),
    http.delete(`${API}/v1/conversations/${ID}`, () => {
      calls.push("deleted");
      return problem(404, "not-found");
    }),
  );
  const shown = open(`/chat/${ID}`);
  const menu = () => screen.findByRole("button", { name: "More about this conversation" });
  await userEvent.click(await menu());
  await userEvent.click(await screen.findByRole("menuitem", { name: "Rename" }));
  const title = await screen.findByRole("textbox", { name: "Title" });
  await userEvent.clear(title);
  await userEvent.type(title, "Allergies{Enter}");
  expect(await screen.findByRole("heading", { name: "Allergies", level: 1 })).toBeVisible();
  await userEvent.click(await menu());
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  await userEvent.click(await screen.findByRole("button", { name: "Delete for good" }));
  await waitFor(() => expect(shown.addresses.at(-1)).toBe("/chat"));
  expect(calls).toEqual([{ title: "Allergies" }, "deleted"]);
});

test("what cannot be renamed or deleted says why", async () => {
  stored([answered(), message({})]);
  server.use(
    http.patch(`${API}/v1/conversations/${ID}`, () => problem(422, "invalid")),
    http.delete(`${API}/v1/conversations/${ID}`, () => problem(503, "unavailable")),
  );
  open(`/chat/${ID}`);
  const menu = () => screen.findByRole("button", { name: "More about this conversation" });
  await userEvent.click(await menu());
  await userEvent.click(await screen.findByRole("menuitem", { name: "Rename" }));
  await userEvent.click(await screen.findByRole("button", { name: "Save" }));
  expect(await screen.findByText("Because.")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  await userEvent.click(await menu());
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  await userEvent.click(await screen.findByRole("button", { name: "Delete for good" }));
  expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
});

test("proposals are accepted and declined in place", async () => {
  const proposal = (id: string, text: string) => ({
    id,
    text,
    start: 0,
    end: 1,
    decision: "pending" as const,
    memoryId: null,
  });
  stored([
    answered(),
    message({ proposals: [proposal("p1", "I eat no meat"), proposal("p2", "I like tea")] }),
  ]);
  let refusals = 1;
  server.use(
    http.post(`${API}/v1/conversations/${ID}/proposals/p1/accept`, () =>
      refusals-- > 0
        ? problem(503, "unavailable")
        : HttpResponse.json({ ...MEMORY, duplicate: false }, { status: 201 }),
    ),
    http.post(
      `${API}/v1/conversations/${ID}/proposals/p2/reject`,
      () => new HttpResponse(null, { status: 204 }),
    ),
  );
  open(`/chat/${ID}`);
  const accept = async () =>
    userEvent.click(first(await screen.findAllByRole("button", { name: "Remember" })));
  await accept();
  expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
  await accept();
  expect(await screen.findByText("Remembered")).toBeVisible();
  expect(screen.getByText("Remembered").closest("li")).toHaveFocus();
  await userEvent.click(screen.getByRole("button", { name: "No" }));
  expect(await screen.findByText("Not remembered")).toBeVisible();
  expect(screen.queryByText("I like tea")).not.toBeInTheDocument();
});

test("memories of stored answers are read when they are looked at; some are gone", async () => {
  const citation = { memoryId: "m1", start: 2, end: 28, answerOffset: 8, number: 1 };
  stored([
    answered({
      recalled: ["m1", "m2"],
      citations: [
        citation,
        { ...citation, memoryId: "m2", number: 2 },
        { ...citation, memoryId: "m3", number: 3 },
      ],
    }),
    message({}),
  ]);
  server.use(
    http.get(`${API}/v1/memories/m1`, () => HttpResponse.json(MEMORY)),
    http.get(`${API}/v1/memories/m2`, () => problem(404, "not-found")),
    http.get(`${API}/v1/memories/m3`, () => problem(500, "internal")),
  );
  open(`/chat/${ID}`);
  await userEvent.click(await screen.findByText("2 memories were given to the model"));
  expect(await screen.findByRole("link", { name: MEMORY.text })).toHaveAttribute("href", "/memories/m1");
  expect(await screen.findByText("This memory is not there any more.")).toBeVisible();
  for (const [number, said] of [
    [1, "I am allergic to peanuts."],
    [2, "This memory is not there any more."],
    [3, "Recall has trouble answering"],
  ] as const) {
    await userEvent.click(screen.getByRole("button", { name: new RegExp(`^Memory ${number}`) }));
    expect(await within(await screen.findByRole("dialog")).findByText(said)).toBeVisible();
    await userEvent.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
  }
});

test("a model is chosen by name and price, and remembered; memories can be left out", async () => {
  const asked = answering(new Stream());
  open();
  await userEvent.click(screen.getByRole("button", { name: /^How to answer: ?Nova Lite$/ }));
  expect(await screen.findByText("About $0.00016 for an ordinary answer")).toBeVisible();
  expect(
    screen.getByText(/\$1.00 for a million tokens read, \$5.00 for a million written \(not known/),
  ).toBeVisible();
  await userEvent.click(screen.getByRole("radio", { name: /Claude Haiku 4\.5/ }));
  await userEvent.click(screen.getByRole("switch", { name: /Use my memories/ }));
  await userEvent.keyboard("{Escape}");
  expect(screen.getByText("without memories")).toBeVisible();
  expect(localStorage.getItem("recall.chat.model")).toBe("anthropic.claude-haiku-4-5-20251001-v1:0");
  await type("Tell me{Enter}");
  await waitFor(() =>
    expect(asked).toEqual([
      { message: "Tell me", memory: false, model: "anthropic.claude-haiku-4-5-20251001-v1:0" },
    ]),
  );
});

test("conversations are searched by title over all pages, and opened", async () => {
  const item = (id: string, title: string) => ({
    id,
    title,
    createdAt: "2026-11-20T10:00:00Z",
    updatedAt: "",
    messages: 2,
  });
  server.use(
    http.get(`${API}/v1/conversations`, ({ request }) => {
      const second = new URL(request.url).searchParams.has("cursor");
      return HttpResponse.json(
        second
          ? { items: [item("c3", "Old travels")], nextCursor: null }
          : { items: [item("c1", "Food"), item("c2", "Travels")], nextCursor: "more" },
      );
    }),
    http.get(`${API}/v1/conversations/c1`, () => HttpResponse.json(item("c1", "Food"))),
    http.get(`${API}/v1/conversations/c1/messages`, () =>
      HttpResponse.json({ items: [answered(), message({})], nextCursor: null }),
    ),
  );
  open();
  expect(await screen.findByRole("button", { name: "Show more" })).toBeVisible();
  await userEvent.type(screen.getByRole("searchbox", { name: "Search titles" }), "travels");
  expect(await screen.findByText("2 conversations found")).toBeInTheDocument();
  expect(screen.getByRole("link", { name: /Old travels/ })).toHaveAttribute("href", "/chat/c3");
  expect(screen.queryByRole("link", { name: /Food/ })).not.toBeInTheDocument();
  await userEvent.type(screen.getByRole("searchbox", { name: "Search titles" }), "x");
  expect(screen.getByText("No conversation has a title like that.")).toBeVisible();

  await userEvent.click(screen.getByRole("button", { name: "Conversations" }));
  const drawer = await screen.findByRole("dialog", { name: "Conversations" });
  await userEvent.click(await within(drawer).findByRole("link", { name: /Food/ }));
  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
  expect(await screen.findByText("Peanuts.")).toBeVisible();
});

test("a list that cannot be read, a conversation that cannot, and one that is not there say so", async () => {
  server.use(http.get(`${API}/v1/conversations`, () => problem(500, "internal")));
  const missing = open(`/chat/${ID}`);
  expect(await screen.findByText("This conversation is not there")).toBeVisible();
  expect(screen.getByText("Recall has trouble answering")).toBeVisible();
  missing.unmount();
  server.use(http.get(`${API}/v1/conversations/${ID}/messages`, () => problem(500, "internal")));
  open(`/chat/${ID}`);
  await waitFor(() => expect(screen.getAllByText("Recall has trouble answering")).toHaveLength(2));
});

test("drafts stay with their conversation; examples go into the box; Shift+Enter is a new line", async () => {
  const left = open();
  await userEvent.click(await screen.findByRole("button", { name: "Where was I last spring?" }));
  expect(box()).toHaveFocus();
  await userEvent.type(box(), "{Shift>}{Enter}{/Shift}And why?");
  expect(box()).toHaveValue("Where was I last spring?\nAnd why?");
  left.unmount();
  open();
  expect(box()).toHaveValue("Where was I last spring?\nAnd why?");
});

test("an answer and a block of code are copied; pictures are links; only safe links lead out", async () => {
  const text =
    "![a cat](https://example.org/cat.png) ![](x) [bad](javascript:alert(1)) <b>raw</b>\n\n```\nls\n```\n\n|a|\n|-|\n|b|\n\n# One\n## Two\n### Three\n#### Four\n##### Five";
  stored([answered({ text }), message({})]);
  open(`/chat/${ID}`);
  const user = userEvent.setup();
  const cat = await screen.findByRole("link", { name: "Image: a cat" });
  expect(cat).toHaveAttribute("rel", "noopener noreferrer");
  expect(document.querySelector("img, b, a[href^='javascript']")).toBeNull();
  await user.click(screen.getByRole("button", { name: "Copy the code" }));
  expect(await navigator.clipboard.readText()).toBe("ls\n");
  await user.click(screen.getByRole("button", { name: "Copy the answer" }));
  expect(await navigator.clipboard.readText()).toBe(text);
  vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new Error("no"));
  await user.click(screen.getByRole("button", { name: "Copy the answer" }));
  expect((await screen.findAllByText("The browser did not let us copy"))[0]).toBeInTheDocument();
});

test("a question is edited in place, or left as it was", async () => {
  stored([answered(), message({})]);
  const asked = answering(new Stream());
  open(`/chat/${ID}`);
  await userEvent.click(await screen.findByRole("button", { name: "Edit the question" }));
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(screen.getByRole("button", { name: "Edit the question" })).toHaveFocus());
  await userEvent.click(screen.getByRole("button", { name: "Edit the question" }));
  await userEvent.type(screen.getByRole("textbox", { name: "The question, edited" }), " And drink?");
  await userEvent.click(first(screen.getAllByRole("button", { name: "Send" })));
  await waitFor(() =>
    expect(asked).toEqual([
      { message: "What can I not eat? And drink?", memory: true, conversationId: ID, replaces: QUESTION_ID },
    ]),
  );
  expect(screen.queryByText("Peanuts.")).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Stop (Escape)" }));
  expect(box()).toHaveFocus();
  await userEvent.click(await screen.findByRole("button", { name: "Ask again" }));
  await waitFor(() => expect(asked[1]).toEqual(asked[0]));
});
