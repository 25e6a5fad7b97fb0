import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { server } from "../testing/server";
import { API, show } from "../testing/services";
import Access from "./access";

const TOKENS = `${API}/v1/account/tokens`;
const token = {
  id: "01J",
  name: "laptop",
  scopes: ["memories:read", "chat"],
  createdAt: "2026-11-01T00:00:00Z",
  expiresAt: "2027-01-30T00:00:00Z",
  lastUsedOn: null as string | null,
};

function answer(...items: object[]) {
  server.use(http.get(TOKENS, () => HttpResponse.json({ items })));
}

test("a token is made with scopes and days, shown once, and copied", async () => {
  answer();
  server.use(
    http.post(TOKENS, async ({ request }) => {
      const body = (await request.json()) as object;
      answer({ ...token, ...body });
      return HttpResponse.json({ ...token, ...body, token: "secret-text" }, { status: 201 });
    }),
  );
  const user = userEvent.setup();
  show(<Access />);
  expect(await screen.findByText("There are no tokens yet.")).toBeVisible();
  const create = screen.getByRole("button", { name: "Make the token" });
  expect(create).toBeDisabled();
  await user.type(screen.getByLabelText("What for"), "script");
  await user.selectOptions(screen.getByLabelText("Valid for"), "7 days");
  await user.click(screen.getByLabelText("read memories"));
  expect(create).toBeDisabled();
  await user.click(screen.getByLabelText("chat"));
  await user.click(create);
  const secret = await screen.findByLabelText("The token");
  expect(secret).toHaveValue("secret-text");
  await user.click(screen.getByRole("button", { name: "Copy" }));
  expect(await navigator.clipboard.readText()).toBe("secret-text");
  vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new Error("not allowed"));
  await user.click(screen.getByRole("button", { name: "Copy" }));
  expect(await screen.findByText("Selected: copy it with the keyboard")).toBeVisible();
  await user.click(secret);
  await user.click(screen.getByRole("button", { name: "I have kept it" }));
  expect(screen.queryByLabelText("The token")).not.toBeInTheDocument();
  expect(await screen.findByText("script")).toBeVisible();
});

test("a token that cannot be made keeps what was typed", async () => {
  answer();
  server.use(http.post(TOKENS, () => new HttpResponse(null, { status: 503 })));
  show(<Access />);
  await userEvent.type(await screen.findByLabelText("What for"), "script");
  await userEvent.click(screen.getByRole("button", { name: "Make the token" }));
  expect(await screen.findByRole("alert")).toBeVisible();
  expect(screen.getByLabelText("What for")).toHaveValue("script");
});

test("a token is revoked by name, after a question", async () => {
  answer(token, { ...token, id: "02", name: "phone", lastUsedOn: "2026-11-20" });
  const revoked = vi.fn();
  server.use(http.delete(`${TOKENS}/01J`, () => new HttpResponse(null, { status: 503 }), { once: true }));
  show(<Access />);
  expect(await screen.findByText(/last used Nov 20, 2026/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Revoke “laptop”" }));
  await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Cancel" }));
  await userEvent.click(screen.getByRole("button", { name: "Revoke “laptop”" }));
  const confirm = within(await screen.findByRole("dialog")).getByRole("button", { name: "Revoke" });
  await userEvent.click(confirm);
  expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
  server.use(
    http.delete(`${TOKENS}/01J`, () => {
      revoked();
      answer();
      return new HttpResponse(null, { status: 204 });
    }),
  );
  await userEvent.click(confirm);
  expect(await screen.findByText("There are no tokens yet.")).toBeVisible();
  expect(revoked).toHaveBeenCalledOnce();
});

test("a list that cannot be read can be asked for again", async () => {
  server.use(http.get(TOKENS, () => new HttpResponse(null, { status: 503 }), { once: true }));
  show(<Access />);
  const retry = await screen.findByRole("button", { name: "Try again" });
  answer(token);
  await userEvent.click(retry);
  expect(await screen.findByText("laptop")).toBeVisible();
});

test("sessions end here, or everywhere after a question", async () => {
  answer();
  server.use(
    http.post(`${API}/v1/account/sign-out-everywhere`, () => new HttpResponse(null, { status: 503 }), {
      once: true,
    }),
  );
  const { services } = show(<Access />);
  await userEvent.click(screen.getByRole("button", { name: "Sign out" }));
  expect(services.session.signOut).toHaveBeenCalledOnce();
  await userEvent.click(screen.getByRole("button", { name: "Sign out everywhere" }));
  await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Cancel" }));
  await userEvent.click(screen.getByRole("button", { name: "Sign out everywhere" }));
  const confirm = within(await screen.findByRole("dialog")).getByRole("button", {
    name: "Sign out everywhere",
  });
  await userEvent.click(confirm);
  expect(await screen.findByText("Recall has trouble answering")).toBeVisible();
  server.use(
    http.post(`${API}/v1/account/sign-out-everywhere`, () => new HttpResponse(null, { status: 204 })),
  );
  await userEvent.click(confirm);
  await vi.waitFor(() => expect(services.session.signOut).toHaveBeenCalledTimes(3));
  await vi.waitFor(() => expect(screen.queryByText("Recall has trouble answering")).toBeNull());
});
