/** Puts the places at which an answer cites memories into its Markdown: a plugin of remark. */

import type { Nodes, Parent, Root } from "mdast";
import { indexOf } from "./characters";
import type { Citation } from "./exchange";

/** A place of the answer, and the citations that stand there. */
interface Place {
  offset: number;
  citations: number[];
}

interface Leaf {
  node: Nodes;
  /** What encloses it, the root first. */
  parents: Parent[];
}

/** Blocks that hold no words of their own that a citation could stand between. */
const BLOCKS = new Set(["code", "html", "thematicBreak", "definition", "table"]);

/** Where the citations of an answer stand in its source (UTF-16), in their order; several may stand at one place. */
export function placesOf(answer: string, citations: readonly Citation[]): Place[] {
  const places: Place[] = [];
  citations.forEach(({ answerOffset }, index) => {
    const offset = indexOf(answer, answerOffset);
    const last = places.at(-1);
    if (last?.offset === offset) last.citations.push(index);
    else places.push({ offset, citations: [index] });
  });
  return places.sort((one, other) => one.offset - other.offset);
}

/** A plugin that adds an element `cite` with the property `dataCitations`, the citations' indexes, at each place. */
export function citePlugin(places: readonly Place[]) {
  return () => (tree: Root) => {
    // From the last to the first: what is put in does not move what comes before.
    for (const place of places.toReversed()) insert(tree, place);
  };
}

function insert(tree: Root, { offset, citations }: Place): void {
  const leaf = leafBefore(tree, offset);
  const cite = marker(citations);
  if (leaf === null) {
    tree.children.unshift({ type: "paragraph", children: [cite] });
    return;
  }
  const { node, parents } = leaf;
  const link = parents.findIndex(({ type }) => type === "link" || type === "linkReference");
  const [child, parent] = link > 0 ? [parents[link] as Nodes, parents[link - 1]] : [node, parents.at(-1)];
  if (parent === undefined) return;
  const index = parent.children.indexOf(child as never);
  const at = offset - (node.position?.start.offset ?? 0);
  if (child === node && node.type === "text" && isLiteral(node) && at < node.value.length) {
    const [head, tail] = [node.value.slice(0, at), node.value.slice(at)];
    const rest: Nodes = { type: "text", value: tail };
    node.value = head;
    parent.children.splice(index + 1, 0, cite as never, rest as never);
  } else if (BLOCKS.has(child.type)) {
    parent.children.splice(index + 1, 0, { type: "paragraph", children: [cite] });
  } else {
    parent.children.splice(index + 1, 0, cite as never);
  }
}

/** The last leaf that begins before a place. */
function leafBefore(tree: Root, offset: number): Leaf | null {
  let found: Leaf | null = null;
  const visit = (node: Nodes, parents: Parent[]) => {
    const start = node.position?.start.offset;
    if (start === undefined || (start >= offset && node.type !== "root")) return;
    if ("children" in node && node.children.length > 0) {
      for (const child of node.children) visit(child, [...parents, node]);
    } else if (node.type !== "root") {
      found = { node, parents };
    }
  };
  visit(tree, []);
  return found;
}

/** Whether a text stands in the source as it is: then its characters are where its position says. */
function isLiteral({ value, position }: { value: string; position?: Nodes["position"] }): boolean {
  const { start, end } = position ?? {};
  return (
    start?.offset !== undefined && end?.offset !== undefined && end.offset - start.offset === value.length
  );
}

function marker(citations: readonly number[]) {
  return {
    type: "emphasis" as const,
    children: [],
    data: { hName: "cite", hProperties: { dataCitations: citations.join(" ") } },
  };
}
