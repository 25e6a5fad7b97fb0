import { memory } from "../testing/memories";
import { EVERYTHING, inserted, matches, withHead, type Memory, type MemoryList } from "./cache";

const list = (...pages: Memory[][]): MemoryList => ({
  pages: pages.map((items, index) => ({
    items,
    nextCursor: index < pages.length - 1 ? `c${index}` : "more",
  })),
  pageParams: pages.map((_, index) => (index === 0 ? null : `c${index - 1}`)),
});
const texts = ({ pages }: MemoryList) => pages.map(({ items }) => items.map(({ text }) => text));

test("a filter lets through what the API's list does", () => {
  const tea = memory("tea", { tags: ["a", "b"], occurredAt: new Date(2024, 2, 15, 23).toISOString() });
  expect(matches(tea, EVERYTHING)).toBe(true);
  expect(matches(tea, { ...EVERYTHING, tags: ["a", "b"] })).toBe(true);
  expect(matches(tea, { ...EVERYTHING, tags: ["a", "c"] })).toBe(false);
  expect(matches(tea, { ...EVERYTHING, pinned: true })).toBe(false);
  expect(matches(tea, { ...EVERYTHING, source: "imported" })).toBe(false);
  expect(matches(tea, { ...EVERYTHING, after: "2024-03-15", before: "2024-03-15" })).toBe(true);
  expect(matches(tea, { ...EVERYTHING, after: "2024-03-16" })).toBe(false);
  expect(matches(tea, { ...EVERYTHING, before: "2024-03-14" })).toBe(false);
  const undated = memory("undated");
  expect(matches(undated, { ...EVERYTHING, after: "2000-01-01" })).toBe(false);
  expect(matches(undated, { ...EVERYTHING, before: "2099-01-01" })).toBe(false);
});

test("a memory goes where its id belongs, once, and not past what is known", () => {
  const [oldest, older, middle, newer, newest] = ["0", "1", "2", "3", "4"].map((text) => memory(text)) as [
    Memory,
    Memory,
    Memory,
    Memory,
    Memory,
  ];
  const known = list([newer], [older]);
  expect(texts(inserted(known, [newest, middle, newer]))).toEqual([
    ["4", "3"],
    ["2", "1"],
  ]);
  expect(texts(inserted(known, [oldest]))).toEqual([["3"], ["1"]]);
  const whole = { ...known, pages: known.pages.map((page) => ({ ...page, nextCursor: null })) };
  expect(texts(inserted(whole, [oldest]))).toEqual([["3"], ["1", "0"]]);
  expect(inserted({ pages: [], pageParams: [] }, [oldest]).pages).toEqual([]);
});

test("the head that was read again replaces what lies within it", () => {
  const [last, old, gone, kept] = ["0", "1", "2", "3"].map((text) => memory(text)) as [
    Memory,
    Memory,
    Memory,
    Memory,
  ];
  const fresh = memory("4");
  const head = { items: [fresh, { ...kept, text: "3 changed" }, old], nextCursor: "c" };
  expect(texts(withHead(list([kept, gone], [old, last]), head))).toEqual([["4", "3 changed", "1"], ["0"]]);
  // Too much is new to know what lies between; and a list of one page is that page.
  expect(texts(withHead(list([old]), { items: [fresh], nextCursor: "c" }))).toEqual([["4"]]);
  expect(texts(withHead(list([old]), { items: [], nextCursor: null }))).toEqual([[]]);
  expect(texts(withHead(list([old]), { items: [], nextCursor: "c" }))).toEqual([["1"]]);
});
