import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useAuth } from "react-oidc-context";
import { show, testServices } from "../testing/services";
import { Gate } from "./gate";

vi.mock("react-oidc-context");

function open(auth: Partial<ReturnType<typeof useAuth>>, wasSignedIn = false) {
  vi.mocked(useAuth).mockReturnValue({
    isLoading: false,
    isAuthenticated: false,
    ...auth,
  } as ReturnType<typeof useAuth>);
  const session = Object.assign(testServices().session, { wasSignedIn, signIn: vi.fn() });
  show(<Gate>inside</Gate>, { session });
  return session;
}

test("who is signed in comes in", () => {
  open({ isAuthenticated: true });
  expect(screen.getByText("inside")).toBeVisible();
});

test("a stranger is welcomed, and goes to the sign-in pages by a button", async () => {
  const session = open({});
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  expect(session.signIn).toHaveBeenCalledOnce();
});

test("who was signed in goes straight on", () => {
  const session = open({}, true);
  expect(session.signIn).toHaveBeenCalledOnce();
  expect(screen.getByText("Loading…")).toBeInTheDocument();
});

test("nothing is shown before it is known who comes", () => {
  open({ isLoading: true });
  expect(screen.queryByText("inside")).not.toBeInTheDocument();
  expect(screen.queryByRole("button")).not.toBeInTheDocument();
});

test("a failed sign-in says why, and does not go round in circles", () => {
  const session = open({ error: new Error("access_denied") as never }, true);
  expect(screen.getByText("access_denied")).toBeVisible();
  expect(session.signIn).not.toHaveBeenCalled();
});

test("without a network who was signed in here comes in, a stranger does not", () => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  const session = open({}, true);
  expect(screen.getByText("inside")).toBeVisible();
  expect(session.signIn).not.toHaveBeenCalled();
});

test("without a network a stranger stays outside", () => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  open({});
  expect(screen.queryByText("inside")).not.toBeInTheDocument();
});
