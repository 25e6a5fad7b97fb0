/**
 * The app's language: English and German, each complete; a new one is a folder beside them and a line in `LANGUAGES`.
 *
 * Words come in parts: those of the first screens with the app, those of a later one with that screen. English ones of
 * the first screens are in the app itself, so that there are words for everything that goes wrong.
 */

import i18next, { type i18n } from "i18next";
import { lazy, type ComponentType } from "react";
import { initReactI18next } from "react-i18next";
import type account from "./en/account.json";
import type chat from "./en/chat.json";
import first from "./en/first.json";
import type importing from "./en/import.json";
import type tour from "./en/tour.json";

export const LANGUAGES = { en: { name: "English" }, de: { name: "Deutsch" } } as const;

export type Language = keyof typeof LANGUAGES;

type Words = typeof first & typeof account & typeof chat & typeof importing & typeof tour;

/** What is loaded with its screen. */
export type Part = Exclude<keyof Words, keyof typeof first>;

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: Words };
  }
}

const FILES = import.meta.glob<object>(["./*/*.json", "!./en/first.json"], { import: "default" });

const KEPT = "recall.language";

/** The language that the user chose, else the first of the browser's that we have, else English. */
export function preferredLanguage(storage: Storage, wanted: readonly string[]): Language {
  const kept = storage.getItem(KEPT);
  const candidates = [...(kept === null ? [] : [kept]), ...wanted];
  for (const candidate of candidates) {
    const language = languageOf(candidate);
    if (language !== null) return language;
  }
  return "en";
}

/** The language of a tag such as `de-AT`, if it is one of ours. */
function languageOf(tag: string): Language | null {
  const language = tag.slice(0, 2).toLowerCase();
  return language in LANGUAGES ? (language as Language) : null;
}

/** Start with a language; its words are loaded when they are not English. */
export async function startLanguage(language: Language): Promise<i18n> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    fallbackLng: "en",
    load: "languageOnly", // words are the same everywhere; dates and numbers follow `i18n.language` with its region
    resources: { en: { translation: { ...first } } }, // of its own: parts are added to it
    interpolation: { escapeValue: false }, // React escapes
    returnNull: false,
  });
  await showLanguage(language);
  return i18next;
}

const parts = new Set<Part | "first">(["first"]);
const loaded = new Set(["./en/first.json"]);

/** Load the words of a part, in the language that is shown and in every one that will be. */
export async function loadWords(part: Part): Promise<void> {
  parts.add(part);
  await load(languageOf(i18next.language) ?? "en");
}

async function load(language: Language): Promise<void> {
  const missing = [...parts].map((part) => `./${language}/${part}.json`).filter((file) => !loaded.has(file));
  await Promise.all(
    missing.map(async (file) => {
      i18next.addResourceBundle(language, "translation", await FILES[file]?.(), true);
      loaded.add(file);
    }),
  );
}

/** A screen that is loaded when it is first shown, and its words with it. */
export function lazyWithWords<P>(part: Part, screen: () => Promise<{ default: ComponentType<P> }>) {
  return lazy(async () => {
    const [module] = await Promise.all([screen(), loadWords(part)]);
    return module;
  });
}

/** A language with the region that the browser wants it for: dates look different in London and in New York. */
export function asSpokenHere(language: Language, wanted: readonly string[]): string {
  return wanted.find((tag) => tag.toLowerCase().startsWith(`${language}-`)) ?? language;
}

/** Change to a language now. */
export async function showLanguage(language: Language): Promise<void> {
  await load(language);
  const spoken = asSpokenHere(language, navigator.languages);
  await i18next.changeLanguage(spoken);
  document.documentElement.lang = spoken;
}

/** Change to a language and remember it in this browser. */
export async function chooseLanguage(language: Language, storage: Storage): Promise<void> {
  storage.setItem(KEPT, language);
  await showLanguage(language);
}
