import { useState } from "react";
import { useDraft } from "../drafts";
import { INCOGNITO, typedDraft } from "./talks";

/** What is typed at a place and not sent: a draft, but incognito, where it ends with the screen. */
export function useTyped(place: string): [string, (text: string) => void] {
  const [draft, setDraft] = useDraft<string>(typedDraft(place));
  const [unkept, setUnkept] = useState({ place, text: "" });
  if (unkept.place !== place) setUnkept({ place, text: "" });
  if (place === INCOGNITO) return [unkept.text, (text) => setUnkept({ place, text })];
  return [draft ?? "", (text) => setDraft(text === "" ? null : text)];
}
