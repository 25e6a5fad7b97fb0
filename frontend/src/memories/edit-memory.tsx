/** Changes a memory where it stands. What somebody else changed meanwhile is shown, never overwritten. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { ProblemError } from "../api/problems";
import Fields from "../remember/fields";
import type { Content } from "../remember/content";
import { lengthOf, LONGEST } from "../remember/split";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { useUpdate } from "./actions";
import { changeMemories, type Memory } from "./cache";
import styles from "./edit-memory.module.css";

interface EditProps {
  memory: Memory;
  draft: Content;
  onDraft: (draft: Content | null) => void;
}

/** What a draft changes; null is nothing. */
export function changeOf(before: Content, draft: Content): Schema["MemoryUpdate"] | null {
  const after = { ...draft, text: draft.text.trim() };
  const names = ["text", "tags", "occurredAt", "pinned", "neverSendTo"] as const;
  const changed = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return changed.length === 0 ? null : Object.fromEntries(changed.map((name) => [name, after[name]]));
}

/** Both versions in one, for the user to tidy up. */
export function merged(mine: Content, theirs: Content): Content {
  return {
    text: mine.text === theirs.text ? mine.text : `${theirs.text}\n\n${mine.text}`,
    tags: [...new Set([...theirs.tags, ...mine.tags])],
    occurredAt: mine.occurredAt ?? theirs.occurredAt,
    pinned: mine.pinned || theirs.pinned,
    // Whoever kept it from a model meant it.
    neverSendTo: [...new Set([...theirs.neverSendTo, ...mine.neverSendTo])],
  };
}

export default function EditMemory({ memory, draft, onDraft }: EditProps) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const update = useUpdate();
  const form = useRef<HTMLFormElement>(null);
  const text = useRef<HTMLTextAreaElement>(null);
  const [theirs, setTheirs] = useState<Memory | null>(null);
  const [lost, setLost] = useState<unknown>(null);
  const isWrong = draft.text.trim() === "" || lengthOf(draft.text.trim()) > LONGEST;

  useEffect(() => {
    // Only when the card is where the user is: a reload that finds an edit open leaves the focus alone.
    if (form.current?.closest("article")?.contains(document.activeElement)) focusEnd(text);
  }, []);

  const finish = () => {
    form.current?.closest("article")?.focus();
    onDraft(null);
  };
  const readTheirs = async () => {
    try {
      setTheirs(
        await data(api.GET("/v1/memories/{memoryId}", { params: { path: { memoryId: memory.id } } })),
      );
      setLost(null);
    } catch (error) {
      setLost(error);
    }
  };
  const save = (base: Memory, content: Content) => {
    const change = changeOf(base, content);
    if (change === null) {
      finish();
      return;
    }
    update.mutate(
      { memory: base, change },
      {
        onSuccess: finish,
        onError: (error) => {
          if (error instanceof ProblemError && error.status === 412) void readTheirs();
        },
      },
    );
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!isWrong) save(theirs ?? memory, draft);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") finish();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event as unknown as SubmitEvent);
  };
  const takeTheirs = (current: Memory) => {
    changeMemories(queries, (known) => (known.id === current.id ? current : known));
    finish();
  };
  const merge = (current: Memory) => {
    onDraft(merged(draft, current));
    changeMemories(queries, (known) => (known.id === current.id ? current : known));
    setTheirs(null);
    update.reset();
    focusEnd(text);
  };
  const isConflict = update.error instanceof ProblemError && update.error.status === 412;

  return (
    // Escape and Ctrl+Enter work in every field of it.
    <form ref={form} className={styles["form"]} onSubmit={submit} onKeyDown={onKeyDown}>
      <textarea
        ref={text}
        aria-label={t("memories.editText")}
        aria-invalid={isWrong}
        value={draft.text}
        rows={3}
        onChange={(event) => onDraft({ ...draft, text: event.target.value })}
      />
      <Fields content={draft} onChange={onDraft} />
      {theirs !== null && (
        <section role="alert" aria-label={t("memories.conflict")} className={styles["conflict"]}>
          <h3>{t("memories.conflict")}</h3>
          <p>{t("memories.conflictText")}</p>
          <dl className={styles["versions"]}>
            <div>
              <dt>{t("memories.theirs")}</dt>
              <dd>{theirs.text}</dd>
              {theirs.tags.length > 0 && <dd>{theirs.tags.map((tag) => `#${tag}`).join(" ")}</dd>}
            </div>
            <div>
              <dt>{t("memories.mine")}</dt>
              <dd>{draft.text}</dd>
              {draft.tags.length > 0 && <dd>{draft.tags.map((tag) => `#${tag}`).join(" ")}</dd>}
            </div>
          </dl>
          <div className={styles["actions"]}>
            <Button small onClick={() => takeTheirs(theirs)}>
              {t("memories.takeTheirs")}
            </Button>
            <Button small onClick={() => merge(theirs)}>
              {t("memories.merge")}
            </Button>
            <Button small look="primary" onClick={() => save(theirs, draft)}>
              {t("memories.keepMine")}
            </Button>
          </div>
        </section>
      )}
      {update.error && !isConflict && <Failure error={update.error} />}
      {lost !== null && <Failure error={lost} />}
      <div className={styles["actions"]}>
        <Button small look="quiet" onClick={finish}>
          {t("memories.cancel")}
        </Button>
        <Button
          small
          look="primary"
          type="submit"
          busy={update.isPending}
          disabled={isWrong || theirs !== null}
        >
          {t("memories.save")}
        </Button>
      </div>
    </form>
  );
}

function focusEnd({ current }: RefObject<HTMLTextAreaElement | null>): void {
  current?.focus();
  current?.setSelectionRange(current.value.length, current.value.length);
}
