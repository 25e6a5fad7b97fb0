import { lengthOf, lines, paragraphs } from "./split";

test("a pasted list is its lines, without bullets and numbers", () => {
  expect(lines("- Tea\r\n* Bread\n\n3. Milk\n  plain ")).toEqual(["Tea", "Bread", "Milk", "plain"]);
});

test("paragraphs are divided by empty lines, and keep their own lines", () => {
  expect(paragraphs("One\nmore\n\n \nTwo\r\n\r\nThree")).toEqual(["One\nmore", "Two", "Three"]);
});

test("a text is as long as the API says: an emoji is one character", () => {
  expect(lengthOf("a😀")).toBe(2);
});
