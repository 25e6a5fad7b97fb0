/** Light, dark, or what the system says: an attribute of the root element that the tokens in `tokens.css` go by. */

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEPT = "recall.theme";

/** The theme that was chosen in this browser. */
export function keptTheme(storage: Storage): Theme {
  const kept = storage.getItem(KEPT);
  return THEMES.find((theme) => theme === kept) ?? "system";
}

/** Show a theme. */
export function showTheme(theme: Theme, root: HTMLElement = document.documentElement): void {
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
}

/** Show a theme and remember it in this browser. */
export function chooseTheme(theme: Theme, storage: Storage): void {
  storage.setItem(KEPT, theme);
  showTheme(theme);
}
