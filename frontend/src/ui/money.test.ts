import { money } from "./money";

test.each([
  [0, "en", "$0.00"],
  [1_250_000, "en", "$1.25"],
  [4_321, "en", "$0.0043"],
  [20_000_000, "de", "20,00 $"],
])("%i micro-dollars in %s are %s", (amount, language, text) => {
  expect(money(amount, language).replaceAll("\u00a0", " ")).toBe(text);
});
