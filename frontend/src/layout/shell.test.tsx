import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { server } from "../testing/server";
import { API, show, testServices } from "../testing/services";
import { UnreachableError } from "../api/problems";
import { FailureBoundary } from "./failure-boundary";
import { Page } from "./page";
import { OutboxProvider } from "../remember/outbox-context";
import { Shell } from "./shell";
import { Unreachable } from "./unreachable";

function goOffline(offline: boolean) {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(!offline);
  act(() => void window.dispatchEvent(new Event(offline ? "offline" : "online")));
}

const Frame = () => (
  <OutboxProvider>
    <Shell>content</Shell>
  </OutboxProvider>
);

test("the frame names the screen that is open, and says that there is no network while there is none", () => {
  const { unmount } = show(<Frame />, { path: "/chat/7" });
  expect(screen.getByRole("link", { name: "Chat" })).toHaveAttribute("aria-current", "page");
  expect(screen.getByRole("link", { name: "Memories" })).not.toHaveAttribute("aria-current");
  goOffline(true);
  expect(screen.getByText("You are offline")).toBeVisible();
  goOffline(false);
  expect(screen.queryByText("You are offline")).not.toBeInTheDocument();
  unmount();
});

test("a session that is over is said, with the way to sign in again", async () => {
  const signIn = vi.fn();
  const session = Object.assign(testServices().session, { isOver: true, signIn });
  show(<Frame />, { path: "/chat", session });
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  expect(signIn).toHaveBeenCalledOnce();
});

test("the focus goes to the heading of the next screen, and a new title is said", () => {
  const { rerender } = render(<Page title="One">1</Page>);
  rerender(
    <Page key="next" title="Two" actions="more">
      2
    </Page>,
  );
  expect(screen.getByRole("heading", { name: "Two" })).toHaveFocus();
  rerender(
    <Page key="next" title="Two" part="Second part">
      2
    </Page>,
  );
  expect(screen.getByText("Second part · Two")).toHaveAttribute("aria-live", "polite");
  expect(document.title).toBe("Second part · Two · Recall");
});

test("a screen that breaks says what to do; the others stay", () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const Broken = () => {
    throw new Error("a bug");
  };
  show(
    <FailureBoundary>
      <Broken />
    </FailureBoundary>,
  );
  expect(screen.getByRole("heading", { name: "This screen broke" })).toBeVisible();
  expect(screen.getByText("a bug")).toBeVisible();
  expect(screen.getByRole("button", { name: "Reload the page" })).toBeEnabled();
});

test("an instance that cannot be reached at all says so", () => {
  show(<Unreachable error={new UnreachableError()} />);
  expect(screen.getByText("Recall cannot be reached")).toBeVisible();
  expect(screen.getByRole("button", { name: "Try again" })).toBeEnabled();
});

describe("the first steps", () => {
  const memories = (...items: object[]) =>
    server.use(http.get(`${API}/v1/memories`, () => HttpResponse.json({ items, nextCursor: null })));

  test("are gone through once by who has no memories", async () => {
    memories();
    const first = show(<Frame />);
    expect(await screen.findByText("Write it down")).toBeVisible();
    for (const title of ["Find it again", "Ask about it", "It stays yours"]) {
      await userEvent.click(screen.getByRole("button", { name: "Next" }));
      expect(screen.getByText(title)).toBeVisible();
    }
    await userEvent.click(screen.getByRole("button", { name: "Back" }));
    expect(screen.getByText("Ask about it")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: "Next" }));
    await userEvent.click(screen.getByRole("button", { name: "Done" }));
    expect(screen.queryByText("First steps")).not.toBeInTheDocument();
    first.unmount();
    show(<Frame />);
    expect(localStorage.getItem("recall.tour")).toBe("ended");
    expect(screen.queryByRole("region", { name: "First steps" })).not.toBeInTheDocument();
  });

  test("can be skipped, and are not for who has memories", async () => {
    memories();
    const first = show(<Frame />);
    await userEvent.click(await screen.findByRole("button", { name: "Skip the first steps" }));
    expect(screen.queryByText("Write it down")).not.toBeInTheDocument();
    first.unmount();
    localStorage.clear();
    memories({ id: "1" });
    show(<Frame />);
    await vi.waitFor(() => expect(localStorage.getItem("recall.tour")).toBe("ended"));
    expect(screen.queryByText("Write it down")).not.toBeInTheDocument();
  });
});
