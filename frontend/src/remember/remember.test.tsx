import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { Route } from "wouter";
import { NEW, typedDraft } from "../chat/talks";
import { Drafts } from "../drafts";
import DeletedPage from "../memories/deleted-page";
import MemoryPage from "../memories/memory-page";
import { keeping, memory, problem } from "../testing/memories";
import { server } from "../testing/server";
import { API, show, testServices } from "../testing/services";
import ImportPage, { guessed } from "./import-page";
import { OutboxStore } from "./outbox-store";
import { OutboxProvider } from "./outbox-context";
import { QuickRemember } from "./quick-remember";
import { SignOutGuard } from "./sign-out-guard";
import { WaitingList } from "./waiting-list";

let owner = 0;

function sessionOf(guards: (() => Promise<boolean>)[] = []) {
  const guardSignOut = (guard: () => Promise<boolean>) => {
    guards.push(guard);
    return () => undefined;
  };
  return Object.assign(testServices().session, { subject: `writer-${++owner}`, guardSignOut });
}

const box = () => screen.findByLabelText("Something to remember");

describe("the box from anywhere", () => {
  const open = () =>
    show(
      <OutboxProvider>
        <input aria-label="other" />
        <QuickRemember />
      </OutboxProvider>,
      { path: "/account", session: sessionOf() },
    );

  test("opens by key and keeps what is written", async () => {
    const { held } = keeping();
    open();
    await userEvent.keyboard("n");
    expect(await box()).toHaveFocus();
    await userEvent.keyboard("Tea.{Shift>}{Enter}{/Shift}Hot.{Enter}");
    await waitFor(() => expect(held).toMatchObject([{ text: "Tea.\nHot." }]));
    await waitFor(() => expect(screen.queryByRole("dialog", { name: "Remember something" })).toBeNull());
  });

  test("opens by Ctrl+K and by its button, and keeps the draft when it is closed", async () => {
    keeping();
    open();
    await userEvent.keyboard("{Control>}k{/Control}");
    await userEvent.type(await box(), "half a tho");
    await userEvent.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog", { name: "Remember something" })).toBeNull());
    await userEvent.click(screen.getByRole("button", { name: /New memory/ }));
    expect(await box()).toHaveValue("half a tho");
  });

  test("gives the text back when the browser cannot keep it, behind nothing that was typed meanwhile", async () => {
    keeping();
    const store = vi.spyOn(OutboxStore.prototype, "put");
    let fail: () => void = () => undefined;
    store.mockImplementationOnce(() => new Promise((_, reject) => (fail = () => reject(new Error("full")))));
    open();
    await userEvent.keyboard("n");
    await userEvent.type(await box(), "First.{Enter}");
    await waitFor(() => expect(store).toHaveBeenCalled());
    await userEvent.type(await box(), "Second.");
    fail();
    expect((await screen.findAllByText("The browser could not keep it"))[0]).toBeInTheDocument();
    expect(await box()).toHaveValue("First.\nSecond.");
  });

  test("leaves keys alone that write or mean something else", async () => {
    open();
    await userEvent.click(screen.getByLabelText("other"));
    await userEvent.keyboard("n/");
    expect(screen.getByLabelText("other")).toHaveValue("n/");
    fireEvent.keyDown(document.body, { key: "n", ctrlKey: true });
    fireEvent.keyDown(document.body, { key: "n", altKey: true });
    fireEvent.keyDown(document.body, { key: "/" });
    fireEvent.keyDown(window, { key: "x" });
    expect(screen.queryByRole("dialog", { name: "Remember something" })).toBeNull();
  });
});

describe("what waits", () => {
  function open() {
    const guards: (() => Promise<boolean>)[] = [];
    show(
      <OutboxProvider>
        <QuickRemember />
        <WaitingList />
        <SignOutGuard />
      </OutboxProvider>,
      { path: "/account", session: sessionOf(guards) },
    );
    return guards;
  }
  async function write(text: string) {
    await userEvent.keyboard("n");
    await userEvent.type(await box(), `${text}{Enter}`);
    await waitFor(() => expect(screen.queryByRole("dialog", { name: "Remember something" })).toBeNull());
  }

  test("is shown, the first few of many by themselves, and tried again when asked", async () => {
    server.use(http.post(`${API}/v1/memories/batch`, () => HttpResponse.error()));
    server.use(http.post(`${API}/v1/memories`, () => HttpResponse.error()));
    open();
    await userEvent.keyboard("n");
    await userEvent.click(await box());
    await userEvent.paste("1\n2\n3\n4\n5\n6\n7");
    await userEvent.click(screen.getByRole("button", { name: /7 memories/ }));
    await screen.findByText("7 are being saved …");
    expect(screen.getByText("and 2 more")).toBeVisible();
    vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    act(() => void window.dispatchEvent(new Event("offline")));
    expect(screen.getByText(/7 wait on this device/)).toBeVisible();
    vi.spyOn(navigator, "onLine", "get").mockReturnValue(true);
    act(() => void window.dispatchEvent(new Event("online")));
    const { held } = keeping();
    await waitFor(async () => {
      const button = screen.queryByRole("button", { name: "Try now" });
      if (button) await userEvent.click(button);
      expect(held).toHaveLength(7);
    });
    await waitFor(() => expect(screen.queryByRole("region", { name: "Not saved yet" })).toBeNull());
  });

  test("may be refused: then it is mended or discarded", async () => {
    const { held } = keeping();
    server.use(http.post(`${API}/v1/memories`, () => problem(422, "invalid"), { once: true }));
    open();
    await write("bad");
    const text = await screen.findByLabelText("Text that was refused");
    expect(screen.getByText("Because.")).toBeVisible();
    await userEvent.clear(text);
    expect(screen.getByRole("button", { name: "Save it like this" })).toBeDisabled();
    await userEvent.type(text, "good");
    await userEvent.click(screen.getByRole("button", { name: "Save it like this" }));
    await waitFor(() => expect(held).toMatchObject([{ text: "good" }]));
    server.use(http.post(`${API}/v1/memories`, () => problem(422, "invalid"), { once: true }));
    await write("worse");
    await userEvent.click(await screen.findByRole("button", { name: "Discard it" }));
    await waitFor(() => expect(screen.queryByLabelText("Text that was refused")).toBeNull());
  });

  test("is asked about before a sign-out", async () => {
    keeping();
    const guards = open();
    await expect(guards.at(-1)?.()).resolves.toBe(true);
    await userEvent.keyboard("n");
    await userEvent.type(await box(), "half a thought{Escape}");
    const leave = () => {
      let answer: Promise<boolean> | undefined;
      act(() => void (answer = guards.at(-1)?.()));
      return answer;
    };
    const first = leave();
    await userEvent.click(await screen.findByRole("button", { name: "Stay signed in" }));
    await expect(first).resolves.toBe(false);
    const second = leave();
    await userEvent.click(await screen.findByRole("button", { name: "Keep it here and sign out" }));
    await expect(second).resolves.toBe(true);
    expect(sessionStorage).toHaveLength(1);
    const third = leave();
    await userEvent.click(await screen.findByRole("button", { name: "Delete it and sign out" }));
    await expect(third).resolves.toBe(true);
    expect(sessionStorage).toHaveLength(0);
  });

  test("a question that was typed in the chat is asked about too", async () => {
    const guards = open();
    new Drafts(`writer-${owner}`).keep(typedDraft(NEW), "Who lives in Bremen?");
    let answer: Promise<boolean> | undefined;
    act(() => void (answer = guards.at(-1)?.()));
    await userEvent.click(await screen.findByRole("button", { name: "Delete it and sign out" }));
    await expect(answer).resolves.toBe(true);
    expect(sessionStorage).toHaveLength(0);
  });
});

describe("import", () => {
  const report = (changes: object) => ({
    format: "text",
    dryRun: true,
    read: 3,
    stored: 2,
    duplicates: 1,
    rejected: 1,
    rejects: [{ line: 3, field: null, message: "Too long." }],
    samples: [{ text: "tea", tags: [], occurredAt: null }],
    complete: false,
    ...changes,
  });
  const give = (name: string) =>
    userEvent.upload(screen.getByLabelText("File with memories"), new File(["x"], name));

  test("shows what would be stored, then stores it", async () => {
    const asked: string[] = [];
    server.use(
      http.post(`${API}/v1/imports`, ({ request }) => {
        asked.push(new URL(request.url).search);
        return HttpResponse.json(report({}));
      }),
    );
    show(<ImportPage />);
    await give("notes.txt");
    await screen.findByRole("heading", { name: "2 new memories" });
    expect(screen.getByText("Line 3: Too long.")).toBeInTheDocument();
    expect(screen.getByText(/more than one import may have/)).toBeVisible();
    await userEvent.selectOptions(screen.getByLabelText("What is in it"), "paragraphs");
    await userEvent.click(await screen.findByRole("button", { name: "Store 2 memories" }));
    expect(await screen.findByText("2 memories stored")).toBeVisible();
    expect(asked).toEqual([
      "?format=text&dryRun=true",
      "?format=paragraphs&dryRun=true",
      "?format=paragraphs&dryRun=false",
    ]);
  });

  test("of chats stores only what is chosen", async () => {
    const { held } = keeping();
    const samples = ["tea", "bread", "milk"].map((text) => ({ text, tags: [], occurredAt: null }));
    server.use(
      http.post(`${API}/v1/imports`, () =>
        HttpResponse.json(
          report({ format: "claude", samples, duplicates: 0, rejected: 0, rejects: [], complete: true }),
        ),
      ),
    );
    show(<ImportPage />);
    await userEvent.selectOptions(screen.getByLabelText("What is in it"), "claude");
    fireEvent.drop(screen.getByText("Drop a file here"), {
      dataTransfer: { files: [new File(["x"], "claude.json")] },
    });
    await screen.findByRole("heading", { name: "3 proposals" });
    await userEvent.click(screen.getByLabelText("Choose all"));
    await userEvent.click(screen.getByLabelText("Choose all"));
    await userEvent.click(screen.getByLabelText("bread"));
    await userEvent.click(screen.getByLabelText("milk"));
    await userEvent.click(screen.getByLabelText("milk"));
    server.use(http.post(`${API}/v1/memories/batch`, () => problem(503, "unavailable"), { once: true }));
    await userEvent.click(screen.getByRole("button", { name: "Store one memory" }));
    expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "Store one memory" }));
    expect(await screen.findByText("One memory stored")).toBeVisible();
    expect(held).toMatchObject([{ text: "bread" }]);
  });

  test("says what went wrong", async () => {
    server.use(http.post(`${API}/v1/imports`, () => problem(422, "invalid", { title: "No such file" })));
    show(<ImportPage />);
    fireEvent.drop(screen.getByText("Drop a file here"), { dataTransfer: { files: [] } });
    fireEvent.dragOver(screen.getByText("Drop a file here"));
    await give("x.zip");
    expect(await screen.findByText("No such file")).toBeVisible();
    server.use(
      http.post(`${API}/v1/imports`, () => HttpResponse.json(report({ stored: 0, samples: [] })), {
        once: true,
      }),
    );
    await give("x.md");
    await screen.findByRole("heading", { name: "Nothing new in this file" });
  });

  test("guesses what a file holds by its name", () => {
    expect(
      ["a.ndjson", "a.jsonl", "claude.json", "conversations.json", "n.zip", "n.md", "n.txt"].map(guessed),
    ).toEqual(["ndjson", "ndjson", "claude", "chatgpt", "markdown", "markdown", "text"]);
  });
});

describe("deleted memories", () => {
  const gone = (text: string) => ({
    ...memory(text),
    deletedAt: "2024-05-01T00:00:00Z",
    goneAt: "2024-05-31T00:00:00Z",
  });

  test("come back, or go for good after asking", async () => {
    const api = keeping();
    const [tea, bread, milk] = [gone("tea"), gone("bread"), gone("milk")];
    api.gone.push(tea, bread);
    server.use(
      http.get(`${API}/v1/memories/deleted`, ({ request }) =>
        HttpResponse.json(
          new URL(request.url).searchParams.has("cursor")
            ? { items: [milk], nextCursor: null }
            : { items: api.gone, nextCursor: "c" },
        ),
      ),
    );
    show(<DeletedPage />);
    await screen.findByText("tea");
    await userEvent.click(screen.getByRole("button", { name: "Show older ones" }));
    await screen.findByText("milk");
    const row = (text: string) => screen.getByText(text).closest("li") as HTMLElement;
    await userEvent.click(within(row("milk")).getByRole("button", { name: "Bring back" }));
    expect(await screen.findByText("This is not there")).toBeVisible();
    await userEvent.click(within(row("tea")).getByRole("button", { name: "Bring back" }));
    await waitFor(() => expect(api.held).toMatchObject([{ text: "tea" }]));
    expect(screen.getByText(/can be brought back for 30 days/)).toHaveFocus();
    await userEvent.click(within(row("bread")).getByRole("button", { name: "Delete for good" }));
    const dialog = await screen.findByRole("dialog", { name: "Delete it for good?" });
    server.use(http.delete(`${API}/v1/memories/:id`, () => problem(503, "unavailable"), { once: true }));
    await userEvent.click(within(dialog).getByRole("button", { name: "Delete for good" }));
    expect(await within(dialog).findByText("Recall has trouble answering")).toBeVisible();
    await userEvent.click(within(dialog).getByRole("button", { name: "Delete for good" }));
    await waitFor(() => expect(screen.queryByRole("dialog", { name: "Delete it for good?" })).toBeNull());
  });

  test("that cannot be read are read again; none say so", async () => {
    server.use(
      http.get(`${API}/v1/memories/deleted`, () => problem(503, "unavailable"), { once: true }),
      http.get(`${API}/v1/memories/deleted`, () => HttpResponse.json({ items: [], nextCursor: null })),
    );
    show(<DeletedPage />);
    server.use(
      http.get(`${API}/v1/memories/deleted`, () => HttpResponse.json({ items: [], nextCursor: null })),
    );
    const again = screen.queryByRole("button", { name: "Try again" });
    if (again) await userEvent.click(again);
    expect(await screen.findByText("Nothing was deleted")).toBeVisible();
  });
});

describe("one memory", () => {
  const open = (id: string) =>
    show(
      <Route path="/memories/:memory">
        <MemoryPage />
      </Route>,
      { path: `/memories/${id}` },
    );

  test("has an address of its own, and deleting it leads home", async () => {
    const tea = memory("tea");
    keeping(tea);
    const { addresses } = open(tea.id);
    (await screen.findByRole("article", { name: "tea" })).focus();
    await userEvent.keyboard("x{Delete}");
    expect(addresses.at(-1)).toBe("/");
  });

  test("that is gone says so", async () => {
    keeping();
    open("01");
    expect(await screen.findByText("This is not there")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  });
});
