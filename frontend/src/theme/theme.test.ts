import { chooseTheme, keptTheme, showTheme } from "./theme";

test("the chosen theme is kept, and the system's is no attribute", () => {
  expect(keptTheme(localStorage)).toBe("system");
  chooseTheme("dark", localStorage);
  expect(keptTheme(localStorage)).toBe("dark");
  expect(document.documentElement.dataset["theme"]).toBe("dark");
  showTheme("system");
  expect(document.documentElement.dataset["theme"]).toBeUndefined();
});
