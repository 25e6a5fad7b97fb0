/** The way to the box from any screen: a button, `n`, Ctrl+K. And `/` leads to the search. */

import { Plus } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import styles from "./quick-remember.module.css";

const RememberDialog = lazy(() => import("./remember-dialog"));

/** The box of the memories screen. */
export const BOX = "remember";

/** The search of the memories screen. */
export const SEARCH = "search";

/** Whether a key would write where it is pressed, or belongs to an open dialog. */
function isTaken(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest("input, textarea, select, [contenteditable=true], [role=dialog], [role=alertdialog]") !==
      null
  );
}

/** Whether a key press asks for the box. */
function asksForBox(event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  if (event.altKey || event.isComposing) return false;
  if (key === "k") return (event.ctrlKey || event.metaKey) && !event.shiftKey;
  return key === "n" && !event.ctrlKey && !event.metaKey && !isTaken(event.target);
}

export function QuickRemember() {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);

  const show = useCallback(() => {
    const box = document.getElementById(BOX);
    if (box === null) setOpen(true);
    else box.focus();
  }, []);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (asksForBox(event)) {
        event.preventDefault();
        show();
      } else if (event.key === "/" && !isTaken(event.target)) {
        const search = document.getElementById(SEARCH);
        if (search === null) return;
        event.preventDefault();
        search.focus();
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [show]);

  return (
    <>
      <button
        type="button"
        className={styles["button"]}
        aria-keyshortcuts="n Control+k"
        title={t("remember.open")}
        onClick={show}
      >
        <Plus size={20} aria-hidden />
        <span>{t("remember.new")}</span>
        <kbd aria-hidden>n</kbd>
      </button>
      {open && (
        <Suspense fallback={null}>
          <RememberDialog onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
