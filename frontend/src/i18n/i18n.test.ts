import i18next from "i18next";
import { asSpokenHere, chooseLanguage, LANGUAGES, loadWords, preferredLanguage, showLanguage } from ".";

const FILES = import.meta.glob<object>("./*/*.json", { eager: true, import: "default" });

function texts(tree: object, path = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]: [string, unknown]) =>
    typeof value === "string"
      ? [[`${path}${key}`, value] as [string, string]]
      : texts(value as object, `${path}${key}.`),
  );
}

const names = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}|<(\d+)>/g)].map((match) => match[0]).sort();

const parts = Object.keys(FILES).flatMap((file) => /en\/(\w+)\.json/.exec(file)?.[1] ?? []);
const others = Object.keys(LANGUAGES).filter((language) => language !== "en");

test.each(others.flatMap((language) => parts.map((part) => [language, part] as const)))(
  "%s says all that English says in the part “%s”, with the same values in it",
  (language, part) => {
    const inEnglish = texts(FILES[`./en/${part}.json`] ?? {});
    const inOther = new Map(texts(FILES[`./${language}/${part}.json`] ?? {}));
    expect([...inOther.keys()].sort()).toEqual(inEnglish.map(([key]) => key).sort());
    for (const [key, text] of inEnglish) expect(names(inOther.get(key) ?? ""), key).toEqual(names(text));
  },
);

test("no part says what another one says", () => {
  const keys = parts.flatMap((part) => Object.keys(FILES[`./en/${part}.json`] ?? {}));
  expect(keys).toEqual([...new Set(keys)]);
});

test("the words of a part come in the language that is shown, and in the next one that is", async () => {
  await showLanguage("de");
  await loadWords("tour");
  expect(i18next.t("tour.next")).toBe("Weiter");
  await showLanguage("en");
  expect(i18next.t("tour.next")).toBe("Next");
});

test("the chosen language comes first, then the browser's, then English", async () => {
  expect(preferredLanguage(localStorage, ["fr-FR", "de-AT"])).toBe("de");
  expect(preferredLanguage(localStorage, ["fr"])).toBe("en");
  await chooseLanguage("de", localStorage);
  expect(preferredLanguage(localStorage, ["en"])).toBe("de");
  expect(i18next.t("common.signIn")).toBe("Anmelden");
  expect(document.documentElement.lang).toBe("de");
  await showLanguage("en");
  expect(i18next.t("common.signIn")).toBe("Sign in");
});

test("dates and numbers follow the region that the browser wants a language for", () => {
  expect(asSpokenHere("en", ["de-AT", "en-GB"])).toBe("en-GB");
  expect(asSpokenHere("de", ["en-GB"])).toBe("de");
});
