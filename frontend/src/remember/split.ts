/** A pasted text as many memories. */

/** As many characters as a memory may have (`MAX_TEXT_LENGTH` of the API). */
export const LONGEST = 8_000;

const BULLET = /^\s*(?:[-*•–]|\d+[.)])\s+/;

/** Each line that says something, without its bullet or number. */
export function lines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(BULLET, "").trim())
    .filter((line) => line !== "");
}

/** Each paragraph: what stands between empty lines. */
export function paragraphs(text: string): string[] {
  return text
    .split(/\r?\n\s*\r?\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== "");
}

/** The length of a text as the API counts it: in characters (code points). */
export function lengthOf(text: string): number {
  return Array.from(text).length;
}
