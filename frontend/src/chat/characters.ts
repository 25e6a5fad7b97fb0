/** Places in texts: the API counts characters (Unicode code points), strings in JavaScript count UTF-16 units. */

/** The index in `text` at which its character number `offset` begins. */
export function indexOf(text: string, offset: number): number {
  let index = 0;
  for (let count = 0; count < offset && index < text.length; count += 1) {
    index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}

/** A text before, in and after the characters from `start` to `end`. */
export function split(text: string, start: number, end: number): [string, string, string] {
  const from = indexOf(text, start);
  const to = indexOf(text, end);
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}
