import type { Schema } from "../api/client";

export interface Piece {
  text: string;
  found: boolean;
}

/** A text in pieces, those that were found marked. Spans count characters (code points), strings in JavaScript do not. */
export function pieces(text: string, spans: readonly Schema["Span"][]): Piece[] {
  if (spans.length === 0) return [{ text, found: false }];
  const characters = Array.from(text);
  const cut = (start: number, end: number, found: boolean): Piece => ({
    text: characters.slice(start, end).join(""),
    found,
  });
  const result: Piece[] = [];
  let at = 0;
  for (const { start, end } of [...spans].sort((one, other) => one.start - other.start)) {
    if (end <= at) continue;
    result.push(cut(at, Math.max(at, start), false), cut(Math.max(at, start), end, true));
    at = end;
  }
  result.push(cut(at, characters.length, false));
  return result.filter((piece) => piece.text !== "");
}
