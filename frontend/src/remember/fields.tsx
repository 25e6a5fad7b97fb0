/** What a memory has besides its text: tags, the day it happened, a pin, models that are never told. */

import { X } from "lucide-react";
import { useId, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { useCounts } from "../memories/queries";
import { useServices } from "../services";
import type { Content } from "./content";
import styles from "./fields.module.css";

interface FieldsProps {
  content: Content;
  onChange: (content: Content) => void;
}

export default function Fields({ content, onChange }: FieldsProps) {
  const { t } = useTranslation();
  return (
    <div className={styles["fields"]}>
      <Tags tags={content.tags} onChange={(tags) => onChange({ ...content, tags })} />
      <label className={styles["field"]}>
        {t("remember.date")}
        <input
          type="date"
          value={dayOf(content.occurredAt)}
          onChange={(event) => onChange({ ...content, occurredAt: noonOf(event.target.value) })}
        />
      </label>
      <label className={styles["check"]}>
        <input
          type="checkbox"
          checked={content.pinned}
          onChange={(event) => onChange({ ...content, pinned: event.target.checked })}
        />
        {t("remember.pin")}
      </label>
      <NeverSendTo
        models={content.neverSendTo}
        onChange={(neverSendTo) => onChange({ ...content, neverSendTo })}
      />
    </div>
  );
}

/** The day of a moment in the user's time zone, as a date input has it. */
function dayOf(moment: string | null): string {
  if (moment === null) return "";
  const date = new Date(moment);
  const two = (number: number) => String(number).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Noon of a day where the user is: the same day nearly everywhere on earth. */
function noonOf(day: string): string | null {
  const [year, month, date] = day.split("-").map(Number);
  if (year === undefined || month === undefined || date === undefined) return null;
  return new Date(year, month - 1, date, 12).toISOString();
}

function Tags({ tags, onChange }: { tags: readonly string[]; onChange: (tags: string[]) => void }) {
  const { t } = useTranslation();
  const id = useId();
  const { data: counts } = useCounts();
  const [typed, setTyped] = useState("");
  const suggestions = Object.keys(counts?.byTag ?? {}).filter((tag) => !tags.includes(tag));
  const add = (text: string) => {
    const added = text
      .split(",")
      .map((tag) => tag.trim().slice(0, 50))
      .filter(Boolean);
    if (added.length > 0) onChange([...new Set([...tags, ...added])].slice(0, 20));
    setTyped("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      add(typed);
    } else if (event.key === "Backspace" && typed === "") {
      onChange(tags.slice(0, -1));
    }
  };
  return (
    <div className={styles["field"]}>
      <label htmlFor={id}>{t("remember.tags")}</label>
      <div className={styles["tags"]}>
        {tags.map((tag) => (
          <button
            key={tag}
            type="button"
            className={styles["tag"]}
            aria-label={t("remember.removeTag", { tag })}
            onClick={() => onChange(tags.filter((other) => other !== tag))}
          >
            {tag}
            <X size={14} aria-hidden />
          </button>
        ))}
        <input
          id={id}
          list={`${id}-known`}
          value={typed}
          maxLength={50}
          placeholder={tags.length === 0 ? t("remember.tagsHint") : ""}
          onChange={(event) => {
            const { value } = event.target;
            // A suggestion that was chosen arrives whole, not letter by letter.
            const chosen = suggestions.includes(value) && Math.abs(value.length - typed.length) > 1;
            if (chosen) add(value);
            else setTyped(value);
          }}
          onKeyDown={onKeyDown}
          onBlur={() => add(typed)}
        />
        <datalist id={`${id}-known`}>
          {suggestions.map((tag) => (
            <option key={tag} value={tag} />
          ))}
        </datalist>
      </div>
    </div>
  );
}

/** All models, as the API writes it. */
const ALL = "*";

function NeverSendTo({
  models,
  onChange,
}: {
  models: readonly string[];
  onChange: (models: string[]) => void;
}) {
  const { t } = useTranslation();
  const { configuration } = useServices();
  const all = models.includes(ALL);
  const toggle = (model: string, on: boolean) =>
    onChange(on ? [...models, model] : models.filter((other) => other !== model));
  return (
    <fieldset className={styles["models"]}>
      <legend>{t("remember.never")}</legend>
      <label className={styles["check"]}>
        <input
          type="checkbox"
          checked={all}
          onChange={(event) => onChange(event.target.checked ? [ALL] : [])}
        />
        {t("remember.neverAny")}
      </label>
      {!all &&
        [...new Set([...configuration.models, ...models])].map((model) => (
          <label key={model} className={styles["check"]}>
            <input
              type="checkbox"
              checked={models.includes(model)}
              onChange={(event) => toggle(model, event.target.checked)}
            />
            {model}
          </label>
        ))}
    </fieldset>
  );
}
