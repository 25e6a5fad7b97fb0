import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import i18next from "i18next";
import { ProblemError, UnreachableError } from "../api/problems";
import { show } from "../testing/services";
import { Button, IconButton } from "./button";
import { Dialog } from "./dialog";
import { describe as inWords, Failure } from "./failure";
import { toast } from "./toasts";

const problem = (status: number, kind = "x", more = {}, retryAfter: number | null = null) =>
  new ProblemError(
    {
      type: `urn:recall:problem:${kind}`,
      title: "Refused",
      status,
      detail: null,
      instance: null,
      errors: null,
      ...more,
    },
    retryAfter,
  );

test.each<[unknown, string, RegExp]>([
  [new UnreachableError(), "Recall cannot be reached", /Nothing that you wrote is lost/],
  [problem(401), "You were signed out", /Sign in again/],
  [problem(404), "This is not there", /deleted/],
  [problem(429, "budget-spent"), "This month's budget is spent", /stay open/],
  [problem(429, "too-many-requests", {}, 7), "A little too fast", /7 seconds/],
  [problem(429), "A little too fast", /60 seconds/],
  [problem(503), "Recall has trouble answering", /nothing is lost/],
  [problem(422, "x", { errors: [{ field: "a", message: "too long" }] }), "Refused", /too long/],
  [problem(409, "x", { detail: "Because." }), "Refused", /Because/],
  [problem(409), "Refused", /^$/],
  [new Error("a bug"), "Something went wrong", /a bug/],
  ["thrown text", "Something went wrong", /^$/],
])("%s is told in a person's words", (error, title, text) => {
  const told = inWords(error, i18next.t);
  expect(told.title).toBe(title);
  expect(told.text).toMatch(text);
});

test("what failed can be tried again where that helps", async () => {
  const retry = vi.fn();
  show(<Failure error={problem(503)} retry={retry} />);
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(retry).toHaveBeenCalledOnce();
});

test("a button at work keeps the focus and does nothing twice", async () => {
  const work = vi.fn();
  const { rerender } = show(<Button onClick={work}>Go</Button>);
  await userEvent.click(screen.getByRole("button"));
  rerender(
    <Button busy small className="mine" onClick={work}>
      Go
    </Button>,
  );
  await userEvent.click(screen.getByRole("button"));
  expect(work).toHaveBeenCalledOnce();
  rerender(<IconButton label="Close it">x</IconButton>);
  expect(screen.getByRole("button", { name: "Close it" })).toHaveAttribute("title", "Close it");
});

test("a dialog closes by Escape", async () => {
  const close = vi.fn();
  show(<Dialog open wide onClose={close} title="Sure?" actions="Buttons" description="What this is" />);
  expect(screen.getByRole("dialog", { name: "Sure?" })).toHaveAccessibleDescription("What this is");
  await userEvent.keyboard("{Escape}");
  expect(close).toHaveBeenCalledOnce();
});

test("a message offers what can be done about it", async () => {
  show(<p>page</p>);
  const undo = vi.fn();
  toast({
    title: "Deleted",
    description: "For thirty days",

    action: { label: "Undo", run: undo },
  });
  await userEvent.click(await screen.findByRole("button", { name: "Undo" }, { timeout: 15_000 }));
  expect(undo).toHaveBeenCalledOnce();
}, 20_000);

test("a message without anything to do about it has no button for it", async () => {
  show(<p>page</p>);
  toast({ title: "Deleted too", action: { label: "Undo", run: vi.fn() } });
  toast({ title: "Not deleted", description: "Because.", kind: "danger" });
  // Read aloud at once by an element of its own, it is hidden from screen readers until it has the focus.
  const message = await screen.findByRole("alertdialog", { hidden: true }, { timeout: 15_000 });
  expect(message).toHaveTextContent("Not deleted");
  const buttons = within(message).getAllByRole("button", { hidden: true });
  expect(buttons).toHaveLength(1);
}, 20_000);
