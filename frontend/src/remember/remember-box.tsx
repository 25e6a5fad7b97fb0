/** The box that takes a new memory: kept at once, whatever the network does. */

import { SlidersHorizontal } from "lucide-react";
import { lazy, Suspense, useState, type ClipboardEvent, type KeyboardEvent, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { useDraft, useDrafts } from "../drafts";
import { Button } from "../ui/button";
import { toast } from "../ui/toasts";
import { BLANK, type Content } from "./content";
import { useOutbox } from "./outbox-context";
import styles from "./remember-box.module.css";
import { lengthOf, lines, LONGEST, paragraphs } from "./split";

const Fields = lazy(() => import("./fields"));

/** The name of what is typed into the box and not kept yet. */
const DRAFT = "box";

/** The box; `onKept` is told after something was kept. */
export function RememberBox({ id, autoFocus = false, onKept }: BoxProps) {
  const { t } = useTranslation();
  const outbox = useOutbox();
  const drafts = useDrafts();
  const [kept, setDraft] = useDraft<Content>(DRAFT);
  const draft = kept ?? BLANK;
  const [pasted, setPasted] = useState(false);
  const [open, setOpen] = useState(false);
  const [said, setSaid] = useState("");

  const text = draft.text.trim();
  const tooLong = lengthOf(text) - LONGEST;
  const keep = async (texts: readonly string[]) => {
    // At once: what is typed while this is put away belongs to the next memory.
    setDraft(null);
    setPasted(false);
    setOpen(false);
    try {
      await outbox.add(texts.map((one) => ({ ...draft, text: one })));
    } catch {
      const next = drafts.read(DRAFT) as Content | null;
      setDraft({ ...draft, text: [draft.text, next?.text].filter(Boolean).join("\n") });
      toast({ kind: "danger", title: t("remember.notKept"), description: t("remember.notKeptText") });
      return;
    }
    setSaid(t("remember.kept", { count: texts.length }));
    onKept?.();
  };
  const submit = async () => {
    if (text !== "" && tooLong <= 0) await keep([text]);
  };
  const onKeyDown = async (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    await submit();
  };
  const onPaste = (event: ClipboardEvent) =>
    setPasted(lines(event.clipboardData.getData("text/plain")).length > 1);
  const details =
    draft.tags.length + draft.neverSendTo.length + Number(draft.pinned) + Number(!!draft.occurredAt);

  return (
    <form
      className={styles["box"]}
      onSubmit={async (event: SubmitEvent) => {
        event.preventDefault();
        await submit();
      }}
    >
      <textarea
        id={id}
        className={styles["text"]}
        aria-label={t("remember.label")}
        aria-describedby={`${id}-hint`}
        aria-invalid={tooLong > 0}
        aria-keyshortcuts="n"
        placeholder={t("remember.placeholder")}
        rows={2}
        autoFocus={autoFocus}
        value={draft.text}
        onChange={(event) => setDraft({ ...draft, text: event.target.value })}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      {pasted && <Split text={text} onSplit={keep} onDismiss={() => setPasted(false)} />}
      {open && (
        <Suspense fallback={null}>
          <Fields content={draft} onChange={setDraft} />
        </Suspense>
      )}
      <div className={styles["actions"]}>
        <Button
          look="quiet"
          small
          aria-expanded={open}
          icon={<SlidersHorizontal size={16} aria-hidden />}
          onClick={() => setOpen(!open)}
        >
          {t("remember.details")}
          {details > 0 && ` (${details})`}
        </Button>
        <span id={`${id}-hint`} className={tooLong > 0 ? styles["wrong"] : styles["hint"]}>
          {tooLong > 0 ? t("remember.tooLong", { count: tooLong }) : t("remember.hint")}
        </span>
        <Button type="submit" look="primary" disabled={text === "" || tooLong > 0}>
          {t("remember.save")}
        </Button>
      </div>
      <span role="status" className="visually-hidden">
        {said}
      </span>
    </form>
  );
}

interface BoxProps {
  id: string;
  autoFocus?: boolean;
  onKept?: () => void;
}

interface SplitProps {
  text: string;
  onSplit: (texts: readonly string[]) => Promise<void>;
  onDismiss: () => void;
}

/** Asks whether what was pasted is many memories. */
function Split({ text, onSplit, onDismiss }: SplitProps) {
  const { t } = useTranslation();
  const asLines = lines(text);
  const asParagraphs = paragraphs(text);
  const fits = (texts: readonly string[]) =>
    texts.length > 1 && texts.every((one) => lengthOf(one) <= LONGEST);
  return (
    <div role="group" aria-label={t("remember.split")} className={styles["split"]}>
      <p>{t("remember.split")}</p>
      <div className={styles["choices"]}>
        {fits(asLines) && (
          <Button small onClick={() => onSplit(asLines)}>
            {t("remember.splitLines", { count: asLines.length })}
          </Button>
        )}
        {fits(asParagraphs) && asParagraphs.length !== asLines.length && (
          <Button small onClick={() => onSplit(asParagraphs)}>
            {t("remember.splitParagraphs", { count: asParagraphs.length })}
          </Button>
        )}
        <Button small look="quiet" onClick={onDismiss}>
          {t("remember.splitNot")}
        </Button>
      </div>
    </div>
  );
}
