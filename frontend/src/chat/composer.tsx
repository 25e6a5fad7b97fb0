/** The box that a question is typed into. What is in it is kept until it is sent. */

import { ArrowUp, Square } from "lucide-react";
import { useEffect, type KeyboardEvent, type ReactNode, type RefObject, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { IconButton } from "../ui/button";
import styles from "./composer.module.css";

/** What the API takes. */
const MAX_LENGTH = 32_000;

/** What Escape closes. */
const OPEN = "[role=dialog][data-open], [role=menu][data-open]";

interface ComposerProps {
  box: RefObject<HTMLTextAreaElement | null>;
  text: string;
  onText: (text: string) => void;
  /** An answer is being written. */
  busy: boolean;
  onSend: () => void;
  onStop: () => void;
  /** How to answer; beside the button. */
  children: ReactNode;
}

export function Composer({ box, text, onText, busy, onSend, onStop, children }: ComposerProps) {
  const { t } = useTranslation();

  // Escape stops wherever the focus is, unless something that is open closes by it.
  useEffect(() => {
    if (!busy) return;
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector(OPEN) === null) onStop();
    };
    // Before anything that is open hears of it, and closes.
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, [busy, onStop]);

  const send = () => {
    if (!busy && text.trim() !== "") onSend();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    send();
  };
  return (
    <form className={styles["composer"]} onSubmit={submit}>
      <textarea
        ref={box}
        aria-label={t("chat.message")}
        placeholder={t("chat.placeholder")}
        enterKeyHint="send"
        maxLength={MAX_LENGTH}
        rows={1}
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className={styles["row"]}>
        {children}
        {busy ? (
          <IconButton
            label={t("chat.stop")}
            className={styles["send"]}
            onClick={() => {
              onStop();
              box.current?.focus();
            }}
          >
            <Square size={14} fill="currentColor" aria-hidden />
          </IconButton>
        ) : (
          <IconButton
            type="submit"
            label={t("chat.send")}
            className={styles["send"]}
            aria-disabled={text.trim() === ""}
          >
            <ArrowUp size={18} aria-hidden />
          </IconButton>
        )}
      </div>
    </form>
  );
}
