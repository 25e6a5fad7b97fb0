import remarkParse from "remark-parse";
import remarkGfm from "remark-gfm";
import { unified } from "unified";
import type { Nodes, Root } from "mdast";
import { citePlugin, placesOf } from "./cite-plugin";
import { split } from "./characters";
import type { Citation } from "./exchange";

const cited = (...offsets: number[]): Citation[] =>
  offsets.map((answerOffset, index) => ({
    number: index + 1,
    memoryId: "m",
    start: 0,
    end: 1,
    answerOffset,
  }));

/** The words of a tree, citations as [their indexes], blocks apart. */
function words(node: Nodes): string {
  const name = (node.data as { hProperties?: { dataCitations?: string } } | undefined)?.hProperties
    ?.dataCitations;
  if (name !== undefined) return `[${name}]`;
  if ("children" in node) return node.children.map(words).join(node.type === "root" ? "|" : "");
  return "value" in node ? node.value : "";
}

function shown(text: string, ...offsets: number[]): string {
  const tree: Root = unified().use(remarkParse).use(remarkGfm).parse(text);
  citePlugin(placesOf(text, cited(...offsets)))()(tree);
  return words(tree);
}

test.each([
  ["in a text", "One. Two.", [4], "One.[0] Two."],
  ["at its end, several", "One.", [4, 4], "One.[0 1]"],
  ["in another order", "One. Two.", [9, 4], "One.[1] Two.[0]"],
  ["before everything", "One.", [0], "[0]|One."],
  ["counted in characters", "🥜🥜 One. Two.", [7], "🥜🥜 One.[0] Two."],
  ["behind what is emphasised", "A **b** c", [7], "A b[0] c"],
  ["after a link, not in it", "See [this page](https://x.y) now", [10], "See this page[0] now"],
  ["after inline code", "Use `ls -la` now", [8], "Use ls -la[0] now"],
  ["after a block of code", "```\nls\n```\n\nNow", [6], "ls|[0]|Now"],
  ["after an entity, whose place in the text is not known", "a &amp; b c", [9], "a & b c[0]"],
  ["beyond the end", "One.", [99], "One.[0]"],
])("a citation stands %s", (_, text, offsets, expected) => {
  expect(shown(text, ...offsets)).toBe(expected);
});

test("a text is split by characters", () => {
  expect(split("🥜 peanuts", 2, 9)).toEqual(["🥜 ", "peanuts", ""]);
  expect(split("🥜", 1, 5)).toEqual(["🥜", "", ""]);
});
