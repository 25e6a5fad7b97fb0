import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { OutboxProvider } from "../remember/outbox-context";
import { keeping, memory, problem } from "../testing/memories";
import { server } from "../testing/server";
import { API, show, testServices } from "../testing/services";
import { MemoriesPage } from "./memories-page";
import { keepPlace, keptPlace } from "./place";

let owner = 0;

function open(path = "/") {
  const session = Object.assign(testServices().session, { subject: `reader-${++owner}` });
  const screen = (
    <OutboxProvider>
      <MemoriesPage />
    </OutboxProvider>
  );
  return show(screen, { path, session });
}

const card = (text: string) => screen.findByRole("article", { name: new RegExp(text) });

test("an empty list teaches what to do, and what is written appears in it", async () => {
  const { held } = keeping();
  open();
  await screen.findByText("Nothing to remember yet");
  await userEvent.click(screen.getByRole("button", { name: "Write the first one" }));
  const box = screen.getByLabelText("Something to remember");
  expect(box).toHaveFocus();
  await userEvent.type(box, "Tea at noon.{Enter}");
  await card("Tea at noon");
  expect(box).toHaveValue("");
  await waitFor(() => expect(screen.queryByRole("region", { name: "Not saved yet" })).toBeNull());
  expect(held).toMatchObject([{ text: "Tea at noon.", pinned: false }]);
});

test("details are stored with the memory", async () => {
  const { held } = keeping(memory("older", { tags: ["drinks"] }));
  open();
  await userEvent.type(screen.getByLabelText("Something to remember"), "Green tea");
  await userEvent.click(screen.getByRole("button", { name: "Details" }));
  const tags = await screen.findByLabelText("Tags");
  await userEvent.type(tags, "tea,oops,{Backspace}green{Enter}");
  fireEvent.change(tags, { target: { value: "drinks" } });
  await userEvent.click(await screen.findByRole("button", { name: "Take the tag green away" }));
  fireEvent.change(screen.getByLabelText("When it happened"), { target: { value: "2024-03-15" } });
  await userEvent.click(screen.getByLabelText("Pin it"));
  await userEvent.click(screen.getByLabelText("amazon.nova-lite-v1:0"));
  await userEvent.click(screen.getByLabelText("amazon.nova-lite-v1:0"));
  await userEvent.click(screen.getByLabelText("Any model"));
  await userEvent.click(screen.getByRole("button", { name: "Remember" }));
  await card("Green tea");
  expect(held.at(-1)).toMatchObject({ tags: ["tea", "drinks"], pinned: true, neverSendTo: ["*"] });
  expect(new Date(held.at(-1)?.occurredAt ?? 0).getDate()).toBe(15);
});

test("pasted lines become memories only when the user says so; too long a text is not sent", async () => {
  const { held } = keeping();
  open();
  const box = screen.getByLabelText("Something to remember");
  await userEvent.click(box);
  await userEvent.paste("one\ntwo\n\nthree");
  expect(screen.getByRole("button", { name: "2 memories, one a paragraph" })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "One memory" }));
  await userEvent.clear(box);
  await userEvent.paste("one\ntwo\n\nthree");
  await userEvent.click(screen.getByRole("button", { name: "3 memories, one a line" }));
  await waitFor(() => expect(held.map(({ text }) => text)).toEqual(["one", "two", "three"]));
  fireEvent.change(box, { target: { value: "x".repeat(8_002) } });
  expect(screen.getByText("2 characters too many")).toBeVisible();
  fireEvent.keyDown(box, { key: "Enter" });
  expect(held).toHaveLength(3);
});

test("deleting is undone, pinning is shown at once, and the focus goes to the next memory", async () => {
  const { held } = keeping(memory("first"), memory("second"), memory("third"));
  open();
  (await card("second")).focus();
  await userEvent.keyboard("p");
  await waitFor(() => expect(held.find(({ text }) => text === "second")?.pinned).toBe(true));
  await userEvent.keyboard("{ArrowUp}");
  await waitFor(async () => expect(await card("third")).toHaveFocus());
  await userEvent.keyboard("{ArrowUp}{ArrowDown}");
  await waitFor(async () => expect(await card("second")).toHaveFocus());
  await userEvent.keyboard("{Delete}");
  await waitFor(async () => expect(await card("first")).toHaveFocus());
  await waitFor(() => expect(held).toHaveLength(2));
  await userEvent.click(await screen.findByRole("button", { name: "Undo" }));
  await card("second");
  expect(held).toHaveLength(3);
});

test("what could not be deleted or pinned comes back with the reason", async () => {
  keeping(memory("stubborn"));
  server.use(
    http.delete(`${API}/v1/memories/:id`, () => problem(503, "unavailable")),
    http.patch(`${API}/v1/memories/:id`, () => problem(503, "unavailable")),
  );
  open();
  const stubborn = await card("stubborn");
  await userEvent.click(within(stubborn).getByRole("button", { name: "Delete" }));
  expect(await screen.findAllByText("The memory was not deleted")).not.toEqual([]);
  await userEvent.click(within(await card("stubborn")).getByRole("button", { name: "Pin" }));
  expect(await screen.findAllByText("Recall has trouble answering")).not.toEqual([]);
  expect(within(await card("stubborn")).getByRole("button", { name: "Pin" })).toBeInTheDocument();
});

test("an edit changes only what was changed, and only what was read", async () => {
  const { held } = keeping(memory("tea", { tags: ["drinks"] }));
  open();
  (await card("tea")).focus();
  await userEvent.keyboard("e");
  const text = await screen.findByLabelText("Text of the memory");
  expect(text).toHaveFocus();
  await userEvent.type(text, " at noon{Control>}{Enter}{/Control}");
  const changed = await card("tea at noon");
  expect(changed).toHaveFocus();
  expect(held).toMatchObject([{ text: "tea at noon", version: 2, tags: ["drinks"] }]);
  await userEvent.keyboard("{Enter}");
  await userEvent.type(await screen.findByLabelText("Text of the memory"), "!{Escape}");
  expect(screen.queryByLabelText("Text of the memory")).toBeNull();
  await userEvent.click(within(changed).getByRole("button", { name: "Edit" }));
  await userEvent.click(await screen.findByRole("button", { name: "Save" }));
  expect(held).toMatchObject([{ version: 2 }]);
});

describe("a conflict", () => {
  async function conflict() {
    const api = keeping(memory("tea", { tags: ["old"] }));
    open();
    await userEvent.click(within(await card("tea")).getByRole("button", { name: "Edit" }));
    await userEvent.type(await screen.findByLabelText("Text of the memory"), " mine");
    const [now] = api.held;
    if (now) api.held[0] = { ...now, text: "tea theirs", tags: ["new"], version: 5 };
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    const choice = await screen.findByRole("alert", { name: "This memory was changed meanwhile" });
    expect(choice).toHaveTextContent("tea theirs");
    expect(choice).toHaveTextContent("tea mine");
    return api;
  }

  test("may be won by one's own version", async () => {
    const { held } = await conflict();
    await userEvent.click(screen.getByRole("button", { name: "Keep mine" }));
    await card("tea mine");
    expect(held).toMatchObject([{ text: "tea mine", tags: ["old"], version: 6 }]);
  });

  test("may be won by the other version", async () => {
    const { held } = await conflict();
    await userEvent.click(screen.getByRole("button", { name: "Take the other" }));
    await card("tea theirs");
    expect(held).toMatchObject([{ version: 5 }]);
  });

  test("may be merged", async () => {
    const { held } = await conflict();
    await userEvent.click(screen.getByRole("button", { name: "Put both together" }));
    expect(screen.getByLabelText("Text of the memory")).toHaveValue("tea theirs\n\ntea mine");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() =>
      expect(held).toMatchObject([{ text: "tea theirs\n\ntea mine", tags: ["new", "old"] }]),
    );
  });
});

test("an edit that the API refuses stays open with the reason, also when the memory is gone", async () => {
  const { held } = keeping(memory("tea"));
  server.use(http.patch(`${API}/v1/memories/:id`, () => problem(409, "duplicate"), { once: true }));
  open();
  await userEvent.click(within(await card("tea")).getByRole("button", { name: "Edit" }));
  await userEvent.type(await screen.findByLabelText("Text of the memory"), "!");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByText("Because.")).toBeInTheDocument();
  server.use(http.patch(`${API}/v1/memories/:id`, () => problem(412, "precondition-failed")));
  held.length = 0;
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByText("This is not there")).toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
});

test("many are chosen, tagged and deleted at once", async () => {
  const { held } = keeping(memory("one"), memory("two"), memory("three"));
  open();
  (await card("one")).focus();
  await userEvent.keyboard("x");
  await userEvent.click(within(await card("two")).getByLabelText("Choose this memory"));
  expect(await screen.findByText("2 chosen")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Add a tag" }));
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  await userEvent.type(screen.getByLabelText("Name of the tag"), "numbers{Enter}");
  await waitFor(() => expect(held.filter(({ tags }) => tags.includes("numbers"))).toHaveLength(2));
  await waitFor(() => expect(screen.queryByText("2 chosen")).toBeNull());
  await userEvent.click(within(await card("one")).getByLabelText("Choose this memory"));
  await userEvent.click(within(await card("two")).getByLabelText("Choose this memory"));
  await userEvent.click(within(await card("two")).getByLabelText("Choose this memory"));
  await userEvent.click(within(await card("three")).getByLabelText("Choose this memory"));
  const bar = await screen.findByRole("toolbar");
  await userEvent.click(within(bar).getByRole("button", { name: "Delete" }));
  await waitFor(() => expect(held.map(({ text }) => text)).toEqual(["two"]));
  expect(await screen.findByText("2 memories deleted")).toBeInTheDocument();
});

test("a tag that cannot be given is said", async () => {
  keeping(memory("one"));
  server.use(
    http.patch(`${API}/v1/memories/:id`, () => problem(412, "precondition-failed", { detail: "Changed." })),
  );
  open();
  await userEvent.click(within(await card("one")).getByLabelText("Choose this memory"));
  await userEvent.click(await screen.findByRole("button", { name: "Add a tag" }));
  await userEvent.type(screen.getByLabelText("Name of the tag"), "numbers{Enter}");
  expect(await screen.findAllByText("Changed.")).not.toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: "Choose none" }));
});

test("the changes of a memory are shown, and an older version comes back", async () => {
  const tea = memory("tea now");
  const { held } = keeping(tea);
  const before = { text: "tea before", tags: ["old"], occurredAt: null, pinned: false, neverSendTo: [] };
  server.use(
    http.get(`${API}/v1/memories/:id/history`, ({ request }) =>
      new URL(request.url).searchParams.has("cursor")
        ? HttpResponse.json({
            items: [{ version: 1, action: "restored", at: tea.createdAt, before: null }],
            nextCursor: null,
          })
        : HttpResponse.json({
            items: [{ version: 2, action: "updated", at: tea.createdAt, before }],
            nextCursor: "c",
          }),
    ),
  );
  open();
  await userEvent.click(within(await card("tea now")).getByRole("button", { name: "Changes" }));
  const dialog = await screen.findByRole("dialog");
  expect(await within(dialog).findByText("tea before")).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Show older ones" }));
  expect(await within(dialog).findByText("Brought back")).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Bring this version back" }));
  await waitFor(() => expect(held).toMatchObject([{ text: "tea before", tags: ["old"] }]));
});

test("long lists are read page by page, blank pages are passed over, failures can be retried", async () => {
  keeping();
  const pages = [0, 1].map((page) =>
    Array.from({ length: 100 }, (_, index) => memory(`p${page} n${index}`)).reverse(),
  );
  let broken = true;
  server.use(
    http.get(`${API}/v1/memories`, ({ request }) => {
      const cursor = new URL(request.url).searchParams.get("cursor");
      if (cursor === null) return HttpResponse.json({ items: [], nextCursor: "0" });
      if (cursor === "1" && broken) return problem(500, "internal");
      return HttpResponse.json({ items: pages[1 - Number(cursor)], nextCursor: cursor === "0" ? "1" : null });
    }),
  );
  open("/?pinned");
  await card("p1 n99");
  // The window shows a few of them; only a click on the last would need the others.
  expect(screen.getAllByRole("article").length).toBeLessThan(60);
  broken = false;
});

test("a list that cannot be read says so and is read again", async () => {
  keeping(memory("tea"));
  server.use(http.get(`${API}/v1/memories`, () => problem(503, "unavailable"), { once: true }));
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await card("tea");
});

test("long texts are folded, facts are told", async () => {
  keeping(
    memory(`long ${"word ".repeat(200)}`, {
      source: "imported",
      neverSendTo: ["*"],
      pinned: true,
      tags: ["t"],
    }),
  );
  open();
  const long = await card("long");
  expect(within(long).getByText("Imported")).toBeVisible();
  expect(within(long).getByLabelText("Never sent to: Any model")).toBeInTheDocument();
  await userEvent.click(within(long).getByRole("button", { name: "Show all" }));
  await userEvent.click(within(long).getByRole("button", { name: "Show less" }));
  await userEvent.click(within(long).getByRole("button", { name: "What can be done" }));
  expect(within(long).getByRole("link", { name: "#t" })).toHaveAttribute("href", "/?tag=t");
});

test("a list is found again where it was left, by the memory that was in sight", async () => {
  const long = Array.from({ length: 100 }, (_, index) => memory(`one of many ${index}`));
  keeping(...long);
  const scrolledTo = vi.spyOn(window, "scrollTo");
  keepPlace({ memory: long[20]?.id ?? "", top: 40 });
  open();
  // The 80th from the top, of which the estimated height is 104 pixels, 8 pixels between them.
  await waitFor(async () => expect(await card("one of many 20")).toHaveFocus());
  expect(scrolledTo).toHaveBeenCalledWith({ top: 79 * 112 - 40 });
  keepPlace(null);
  expect(keptPlace()).toBeNull();
});

test("where a list is left is kept with the page when it was scrolled", async () => {
  const only = memory("in sight");
  keeping(only);
  vi.spyOn(window, "scrollY", "get").mockReturnValue(500);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 30, 100, 100));
  open();
  await card("in sight");
  fireEvent.scroll(window);
  await waitFor(() => expect(keptPlace()).toEqual({ memory: only.id, top: 30 }));
  keepPlace(null);
});

test("what loads later does not take the focus from who writes", async () => {
  const { held } = keeping(memory("first"), memory("second"));
  open();
  (await card("second")).focus();
  await userEvent.keyboard("{ArrowDown}");
  await waitFor(async () => expect(await card("first")).toHaveFocus());
  const box = screen.getByLabelText("Something to remember");
  await userEvent.type(box, "third{Enter}");
  await card("third");
  expect(held).toHaveLength(3);
  expect(box).toHaveFocus();
});

test("who deletes the last memory goes on in the search", async () => {
  keeping(memory("only"));
  open();
  (await card("only")).focus();
  await userEvent.keyboard("{Delete}");
  expect(screen.getByRole("searchbox")).toHaveFocus();
});
