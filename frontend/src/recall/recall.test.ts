import { EVERYTHING } from "../memories/cache";
import { memory } from "../testing/memories";
import { conditions, lookOf, parametersOf } from "./address";
import { pieces } from "./highlight";
import { byDay, moved, periodOf, weeksOf } from "./months";

test("what is found is marked by characters, not by halves of them", () => {
  const spans = [
    { start: 8, end: 11 },
    { start: 2, end: 5 },
    { start: 2, end: 4 },
  ];
  expect(pieces("😀 tea, 😀tee", spans)).toEqual([
    { text: "😀 ", found: false },
    { text: "tea", found: true },
    { text: ", 😀", found: false },
    { text: "tee", found: true },
  ]);
  expect(pieces("tea", [])).toEqual([{ text: "tea", found: false }]);
});

test("an address says what is looked for, and back", () => {
  const look = {
    query: "tea & bread",
    filter: {
      tags: ["a", "b c"],
      pinned: true,
      source: "imported",
      after: "2024-01-01",
      before: "2024-02-01",
    },
    view: "calendar",
    period: "2024-03",
  } as const;
  expect(lookOf(new URLSearchParams(parametersOf(look).toString()))).toEqual(look);
  expect(conditions(look.filter)).toBe(6);
  const nothing = { query: "", filter: EVERYTHING, view: "list", period: null } as const;
  expect(parametersOf(nothing).toString()).toBe("");
  const nonsense = new URLSearchParams("source=x&after=tomorrow&view=cube&period=2024-13");
  expect(lookOf(nonsense)).toEqual(nothing);
});

test("months and years follow each other over the turn of the year", () => {
  expect(moved("2024-12", 1)).toBe("2025-01");
  expect(moved("2024-01", -1)).toBe("2023-12");
  expect(moved("2024", 1)).toBe("2025");
  expect(periodOf("2024").end).toEqual(new Date(2025, 0, 1));
});

test("a month is whole weeks, Monday first", () => {
  const weeks = weeksOf("2024-02");
  expect(weeks.map((week) => week.map((day) => day?.getDate() ?? 0))).toEqual([
    [0, 0, 0, 1, 2, 3, 4],
    [5, 6, 7, 8, 9, 10, 11],
    [12, 13, 14, 15, 16, 17, 18],
    [19, 20, 21, 22, 23, 24, 25],
    [26, 27, 28, 29, 0, 0, 0],
  ]);
});

test("memories lie on the day when they happened, else when they were written", () => {
  const noon = (day: number) => new Date(2024, 2, day, 12).toISOString();
  const happened = memory("happened", { occurredAt: noon(3) });
  const written = memory("written", { createdAt: noon(5) });
  const same = memory("same day", { createdAt: noon(3) });
  expect(
    byDay([happened, written, same]).map(([day, those]) => [day.getDate(), those.map(({ text }) => text)]),
  ).toEqual([
    [5, ["written"]],
    [3, ["happened", "same day"]],
  ]);
});
