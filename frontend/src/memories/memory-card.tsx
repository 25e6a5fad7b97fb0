/** One memory: what it says, when it was, and what can be done with it. */

import { Ellipsis, History, Lightbulb, Pencil, Pin, ShieldOff, Trash2 } from "lucide-react";
import { lazy, memo, Suspense, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { modelName } from "../chat/models";
import type { Schema } from "../api/client";
import { useDraft } from "../drafts";
import { pieces } from "../recall/highlight";
import type { Content } from "../remember/content";
import { IconButton } from "../ui/button";
import { usePin } from "./actions";
import type { Memory } from "./cache";
import { day, moment } from "./dates";
import styles from "./memory-card.module.css";

const EditMemory = lazy(() => import("./edit-memory"));
const HistoryDialog = lazy(() => import("./history-dialog"));
const Why = lazy(() => import("../recall/why"));

/** Texts longer than this are folded. */
const LONG = 600;

export interface CardProps {
  memory: Memory;
  /** Why a search found it. */
  explanation?: Schema["Explanation"];
  selected: boolean;
  /** Whether anything is selected: then all show their check boxes. */
  selecting: boolean;
  /** Absent where nothing can be chosen. */
  onSelect?: (memory: Memory) => void;
  onDelete: (memory: Memory) => void;
  position?: number;
}

const editDraft = (id: string) => `edit.${id}`;

/** What a memory says, without what belongs to its storage. */
function contentOf({ text, tags, occurredAt, pinned, neverSendTo }: Content): Content {
  return { text, tags, occurredAt, pinned, neverSendTo };
}

export const MemoryCard = memo(function MemoryCard(props: CardProps) {
  const { memory, explanation, selected, selecting, onSelect, onDelete, position } = props;
  const { t } = useTranslation();
  const pin = usePin();
  // Editing goes on after a reload, and after the card left the screen: the draft says that it does.
  const [draft, setDraft] = useDraft<Content>(editDraft(memory.id));
  const [shown, setShown] = useState<"why" | "history" | null>(null);
  const [open, setOpen] = useState(false);
  const toggle = (what: "why" | "history") => setShown(shown === what ? null : what);
  const card = useRef<HTMLElement>(null);
  const edit = () => {
    // The button that asks for it goes: the focus is on the card until the text takes it.
    card.current?.focus();
    setDraft(contentOf(memory));
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = {
      e: edit,
      Enter: edit,
      Delete: () => onDelete(memory),
      p: () => pin(memory),
      x: () => onSelect?.(memory),
    }[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };

  return (
    <article
      ref={card}
      className={styles["card"]}
      tabIndex={0}
      aria-label={memory.text.slice(0, 120)}
      aria-posinset={position}
      aria-setsize={position === undefined ? undefined : -1}
      aria-keyshortcuts="Enter Delete p x"
      data-memory={memory.id}
      data-selected={selected}
      data-selecting={selecting}
      onKeyDown={onKeyDown}
    >
      {onSelect && (
        // Around it, so that a thumb meets it.
        <label className={styles["select"]}>
          <input
            type="checkbox"
            aria-label={t("memories.select")}
            checked={selected}
            onChange={() => onSelect(memory)}
          />
        </label>
      )}
      {draft !== null ? (
        <Suspense fallback={<MemoryText memory={memory} />}>
          <EditMemory memory={memory} draft={draft} onDraft={setDraft} />
        </Suspense>
      ) : (
        <>
          <MemoryText memory={memory} {...(explanation && { explanation })} />
          <div className={styles["foot"]}>
            <Facts memory={memory} />
            <IconButton
              className={styles["more"]}
              label={t("memories.more")}
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              <Ellipsis size={18} aria-hidden />
            </IconButton>
            <div className={styles["actions"]} data-open={open}>
              {explanation && (
                <IconButton
                  label={t("recall.why")}
                  aria-expanded={shown === "why"}
                  onClick={() => toggle("why")}
                >
                  <Lightbulb size={17} aria-hidden />
                </IconButton>
              )}
              <IconButton
                label={t(memory.pinned ? "memories.unpin" : "memories.pin")}
                aria-pressed={memory.pinned}
                onClick={() => pin(memory)}
              >
                <Pin size={17} aria-hidden />
              </IconButton>
              <IconButton label={t("memories.edit")} onClick={edit}>
                <Pencil size={17} aria-hidden />
              </IconButton>
              <IconButton label={t("memories.history")} onClick={() => toggle("history")}>
                <History size={17} aria-hidden />
              </IconButton>
              <IconButton label={t("memories.delete")} onClick={() => onDelete(memory)}>
                <Trash2 size={17} aria-hidden />
              </IconButton>
            </div>
          </div>
        </>
      )}
      <Suspense fallback={null}>
        {shown === "why" && explanation && <Why explanation={explanation} />}
        {shown === "history" && <HistoryDialog memory={memory} onClose={() => setShown(null)} />}
      </Suspense>
    </article>
  );
});

function MemoryText({ memory, explanation }: { memory: Memory; explanation?: Schema["Explanation"] }) {
  const { t } = useTranslation();
  const [whole, setWhole] = useState(false);
  const long = memory.text.length > LONG;
  return (
    <div className={styles["content"]}>
      <p className={styles["text"]} data-folded={long && !whole}>
        {pieces(memory.text, explanation?.words?.spans ?? []).map((piece, index) =>
          piece.found ? <mark key={index}>{piece.text}</mark> : piece.text,
        )}
      </p>
      {long && (
        <button
          type="button"
          className={styles["whole"]}
          aria-expanded={whole}
          onClick={() => setWhole(!whole)}
        >
          {t(whole ? "memories.less" : "memories.whole")}
        </button>
      )}
    </div>
  );
}

function Facts({ memory }: { memory: Memory }) {
  const { t, i18n } = useTranslation();
  const { occurredAt, createdAt, source } = memory;
  const names = memory.neverSendTo.map((model) =>
    model === "*" ? t("remember.neverAny") : modelName(model),
  );
  const never = new Intl.ListFormat(i18n.language).format(names);
  return (
    <ul className={styles["facts"]}>
      {memory.pinned && (
        <li className={styles["pinned"]}>
          <Pin size={14} aria-label={t("memories.pinned")} />
        </li>
      )}
      <li title={t("memories.written", { at: moment(createdAt, i18n.language) })}>
        <time dateTime={occurredAt ?? createdAt}>{day(occurredAt ?? createdAt, i18n.language)}</time>
      </li>
      {source !== "typed" && <li>{t(`recall.sources.${source}`)}</li>}
      {memory.neverSendTo.length > 0 && (
        <li title={t("memories.kept", { models: never })}>
          <ShieldOff size={14} aria-label={t("memories.kept", { models: never })} />
        </li>
      )}
      {memory.tags.map((tag) => (
        <li key={tag}>
          <Link href={`/?tag=${encodeURIComponent(tag)}`} className={styles["tag"]}>
            #{tag}
          </Link>
        </li>
      ))}
    </ul>
  );
}
