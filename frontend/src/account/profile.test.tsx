import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { showLanguage } from "../i18n";
import { server } from "../testing/server";
import { API, show } from "../testing/services";
import Profile from "./profile";

const ACCOUNT = { userId: "anna", displayName: "Anna", timeZone: "Pacific/Auckland", tier: "free" };

test("name and time zone are saved; a failure keeps what was typed", async () => {
  const sent: unknown[] = [];
  server.use(
    http.get(`${API}/v1/account`, () => HttpResponse.json(ACCOUNT)),
    http.patch(`${API}/v1/account`, () => new HttpResponse(null, { status: 503 }), { once: true }),
  );
  show(<Profile />);
  const name = await screen.findByLabelText("Name");
  await userEvent.clear(name);
  await userEvent.type(name, "Ada");
  await userEvent.click(screen.getByRole("button", { name: /^Use / }));
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("Recall has trouble answering");
  expect(name).toHaveValue("Ada");
  server.use(
    http.patch(`${API}/v1/account`, async ({ request }) => {
      sent.push(await request.json());
      return HttpResponse.json({ ...ACCOUNT, displayName: "Ada" });
    }),
  );
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByText("Saved")).toBeVisible();
  expect(sent).toEqual([{ displayName: "Ada", timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone }]);
  await userEvent.selectOptions(screen.getByLabelText("Time zone"), "UTC");
});

test("an account that cannot be read can be asked for again; the device's settings are there meanwhile", async () => {
  server.use(http.get(`${API}/v1/account`, () => new HttpResponse(null, { status: 503 }), { once: true }));
  show(<Profile />);
  const retry = await screen.findByRole("button", { name: "Try again" });
  await userEvent.selectOptions(screen.getByLabelText("Appearance"), "Dark");
  expect(document.documentElement.dataset["theme"]).toBe("dark");
  await userEvent.selectOptions(screen.getByLabelText("Language"), "Deutsch");
  expect(await screen.findByText("Auf diesem Gerät")).toBeVisible();
  await showLanguage("en");
  server.use(http.get(`${API}/v1/account`, () => HttpResponse.json(ACCOUNT)));
  await userEvent.click(retry);
  expect(await screen.findByLabelText("Name")).toHaveValue("Anna");
});
