import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { server } from "../testing/server";
import { API, show } from "../testing/services";
import { monthsBefore } from "./months";
import { Usage } from "./usage";

const model = (name: string, costMicroDollars: number) => ({
  model: name,
  answers: 12,
  inputTokens: 1000,
  outputTokens: 200,
  cacheReadTokens: 30,
  cacheWriteTokens: 4,
  costMicroDollars,
});

const month = (name: string, spent: number, models: object[] = []) => ({
  month: name,
  spentMicroDollars: spent,
  estimatedMicroDollars: spent / 10,
  reservedMicroDollars: 0,
  models,
  tier: "free",
  budgetMicroDollars: 1_000_000,
  remainingMicroDollars: Math.max(0, 1_000_000 - spent),
  resetsAt: "2026-12-01T00:00:00Z",
});

function answer(spent: number, models: object[] = []) {
  server.use(
    http.get(`${API}/v1/usage`, ({ request }) =>
      HttpResponse.json(month(new URL(request.url).searchParams.get("month") ?? "202611", spent, models)),
    ),
  );
}

test("this month stands beside its budget, by model, the dearest first", async () => {
  answer(400_000, [model("nova", 100_000), model("haiku", 300_000)]);
  show(<Usage />);
  const meter = await screen.findByRole("meter");
  expect(meter).toHaveAttribute("aria-valuetext", "$0.40 of $1.00");
  expect(screen.getByText("$0.60 left")).toBeVisible();
  expect(screen.getByText("Begins anew on December 1")).toBeVisible();
  const rows = within(screen.getByRole("table")).getAllByRole("row").slice(1);
  expect(rows.map((row) => row.textContent)).toEqual(["haiku121,234$0.30", "nova121,234$0.10"]);
  expect(screen.getByText(/\$0\.04 of it is estimated/)).toBeVisible();
});

test("the last six months are listed with their sums", async () => {
  answer(0);
  show(<Usage />);
  const list = await screen.findByRole("list");
  const months = within(list).getAllByRole("listitem");
  expect(months.map((item) => item.textContent.slice(-3))).toEqual([
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
  ]);
  expect(screen.getByText(/Nothing spent yet/)).toBeVisible();
});

test("a spent budget says what goes on and when it begins anew", async () => {
  answer(1_200_000, [model("nova", 1_200_000)]);
  show(<Usage />);
  expect(await screen.findByText("This month's budget is spent")).toBeVisible();
  expect(screen.getByText(/Chat works again on December 1/)).toBeVisible();
});

test("what cannot be read can be asked for again, this month and the earlier ones", async () => {
  server.use(http.get(`${API}/v1/usage`, () => new HttpResponse(null, { status: 503 }), { once: true }));
  show(<Usage />);
  const retry = await screen.findByRole("button", { name: "Try again" });
  server.use(
    http.get(`${API}/v1/usage`, ({ request }) =>
      new URL(request.url).search === ""
        ? HttpResponse.json(month("202611", 0))
        : new HttpResponse(null, { status: 503 }),
    ),
  );
  await userEvent.click(retry);
  expect(await screen.findByRole("meter")).toBeVisible();
  const again = await screen.findByRole("button", { name: "Try again" });
  answer(0);
  await userEvent.click(again);
  expect(screen.getByRole("meter")).toBeVisible();
});

test("months are counted over the turn of a year", () => {
  expect(monthsBefore("202602", 3)).toEqual(["202511", "202512", "202601"]);
});
