import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { server } from "../testing/server";
import { API, show } from "../testing/services";
import AccountPage from "./account-page";
import Data from "./data";
import { download } from "./download";
import { Route } from "wouter";

const EXPORT = `${API}/v1/exports/memories`;
const RECEIPT = {
  state: "running",
  startedAt: "2026-11-25T10:00:00Z",
  finishedAt: null as string | null,
  counts: {},
  signIn: "pending",
  remaining: [],
  backupsUntil: null as string | null,
  unreadableSince: null as string | null,
};

const saved: { name: string; file: Blob }[] = [];

beforeEach(() => {
  saved.length = 0;
  let last: Blob | null = null;
  URL.createObjectURL = (file: Blob) => {
    last = file;
    return "blob:x";
  };
  URL.revokeObjectURL = () => undefined;
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    if (last !== null) saved.push({ name: this.download, file: last });
  });
});

afterEach(() => {
  delete (window as { showSaveFilePicker?: unknown }).showSaveFilePicker;
});

test("memories are saved as a file", async () => {
  server.use(http.get(EXPORT, () => new HttpResponse("# Tea\n")));
  show(<Data />);
  await userEvent.click(screen.getByRole("button", { name: "Save: Memories to read" }));
  expect(await screen.findByText(/^Saved, 1 kB/)).toBeVisible();
  expect(saved[0]?.name).toMatch(/^memories-\d{4}-\d\d-\d\d\.md$/);
  expect(saved[0]?.file.size).toBe(6);
});

test("a file that breaks off is not saved by halves, and one that is stopped says nothing", async () => {
  server.use(http.get(EXPORT, () => HttpResponse.error()));
  show(<Data />);
  await userEvent.click(screen.getByRole("button", { name: "Save: Memories to read" }));
  expect(await screen.findByText("Recall cannot be reached")).toBeVisible();
  server.use(
    http.get(
      EXPORT,
      () => new HttpResponse(new ReadableStream({ pull: () => new Promise(() => undefined) })),
    ),
  );
  await userEvent.click(screen.getByRole("button", { name: "Save: Memories for programs" }));
  await userEvent.click(await screen.findByRole("button", { name: "Stop" }));
  expect(await screen.findByRole("button", { name: "Save: Memories for programs" })).toBeVisible();
  expect(screen.getAllByRole("alert")).toHaveLength(1);
  expect(saved).toEqual([]);
});

describe("where the browser writes to files", () => {
  const file = { write: vi.fn(), close: vi.fn(), abort: vi.fn() };
  const never = new AbortController().signal;
  const answering = (body: BodyInit | null, status = 200) =>
    vi.fn(() => Promise.resolve(new Response(body, { status })));
  const pick = (picker: () => Promise<unknown>) => Object.assign(window, { showSaveFilePicker: picker });

  test("parts go to the disk as they come", async () => {
    pick(() => Promise.resolve({ createWritable: () => Promise.resolve(file) }));
    const progress = vi.fn();
    expect(await download(answering("tea"), "/", "a.md", progress, never)).toBe(true);
    expect(file.write).toHaveBeenCalledOnce();
    expect(file.close).toHaveBeenCalledOnce();
    expect(progress).toHaveBeenLastCalledWith(3);
  });

  test("nothing is left of one that broke off or was refused", async () => {
    pick(() => Promise.resolve({ createWritable: () => Promise.resolve(file) }));
    const broken = new ReadableStream({ start: (controller) => controller.error(new Error("gone")) });
    const tell = () => undefined;
    await expect(download(answering(broken), "/", "a.md", tell, never)).rejects.toThrow("cannot be reached");
    await expect(download(answering(null, 500), "/", "a.md", tell, never)).rejects.toMatchObject({
      status: 500,
    });
    expect(file.abort).toHaveBeenCalledTimes(2);
  });

  test("who chooses no place gets no file; other failures are told", async () => {
    pick(() => Promise.reject(new DOMException("", "AbortError")));
    const tell = () => undefined;
    expect(await download(answering("tea"), "/", "a.md", tell, never)).toBe(false);
    pick(() => Promise.reject(new Error("disk")));
    await expect(download(answering("tea"), "/", "a.md", tell, never)).rejects.toThrow("disk");
  });
});

test("the account is deleted after the words were typed, and the receipt is followed to its end", async () => {
  localStorage.setItem("recall.theme", "dark");
  const opened = indexedDB.open("recall");
  opened.onsuccess = () => opened.result.close();
  server.use(http.delete(`${API}/v1/account`, () => new HttpResponse(null, { status: 503 }), { once: true }));
  const { services } = show(<Data />);
  await userEvent.click(screen.getByRole("button", { name: "Delete everything …" }));
  const confirm = screen.getByRole("button", { name: "Delete for good" });
  expect(confirm).toBeDisabled();
  const words = screen.getByLabelText("Type “delete everything” to confirm");
  await userEvent.type(words, "delete{Enter}");
  await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Cancel" }));
  await userEvent.click(screen.getByRole("button", { name: "Delete everything …" }));
  const again = await screen.findByLabelText("Type “delete everything” to confirm");
  expect(again).toHaveValue("");
  await userEvent.type(again, "Delete everything{Enter}");
  expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
  server.use(
    http.delete(`${API}/v1/account`, ({ request }) => {
      expect(new URL(request.url).searchParams.get("confirm")).toBe("delete-everything");
      return HttpResponse.json(RECEIPT, { status: 202 });
    }),
    http.get(`${API}/v1/account/deletion`, () =>
      HttpResponse.json({
        ...RECEIPT,
        state: "done",
        finishedAt: "2026-11-25T10:00:05Z",
        signIn: "deleted",
        counts: { memories: 7, profile: 1, records: 2 },
        backupsUntil: "2026-12-30T10:00:05Z",
        unreadableSince: "2026-11-25T10:00:00Z",
      }),
    ),
  );
  await userEvent.click(screen.getByRole("button", { name: "Delete for good" }));
  expect(await screen.findByText("Everything is deleted")).toBeVisible();
  expect(screen.getByText("7")).toBeVisible();
  expect(screen.getByText(/Backups of the tables until December 30, 2026/)).toBeVisible();
  expect(screen.getByText(/Nobody can read what backups hold/)).toBeVisible();
  expect(localStorage).toHaveLength(0);
  expect(await indexedDB.databases()).toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: "Save the receipt" }));
  expect(saved[0]?.name).toBe("recall-deletion.json");
  await userEvent.click(screen.getByRole("button", { name: "Leave" }));
  expect(services.session.signOut).toHaveBeenCalledOnce();
});

test("each part has an address; others lead nowhere", async () => {
  const at = (path: string) =>
    show(
      <Route path="/account/:section?">
        <AccountPage />
      </Route>,
      { path },
    );
  const { addresses } = at("/account/data");
  expect(await screen.findByText("Take it with you")).toBeVisible();
  expect(document.title).toBe("Your data · Account · Recall");
  server.use(http.get(`${API}/v1/account`, () => HttpResponse.error()));
  await userEvent.click(screen.getByRole("link", { name: "Profile" }));
  expect(await screen.findByText("On this device")).toBeVisible();
  expect(addresses.at(-1)).toBe("/account/profile");
  expect(document.title).toBe("Profile · Account · Recall");
  at("/account/nothing");
  expect(screen.getByText("There is nothing at this address")).toBeVisible();
});
