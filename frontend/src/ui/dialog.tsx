/** A dialog over the page: keeps the focus inside, closes by Escape, returns the focus where it was. */

import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import styles from "./dialog.module.css";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  /** Said under the title: what this is about. */
  description?: ReactNode;
  children?: ReactNode;
  /** Buttons at the end, the one that goes on last. */
  actions?: ReactNode;
  wide?: boolean;
}

export function Dialog({ open, onClose, title, description, children, actions, wide }: DialogProps) {
  const { t } = useTranslation();
  return (
    <Base.Root open={open} onOpenChange={(opened) => !opened && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={styles["backdrop"]} />
        <Base.Popup className={`${styles["popup"]} ${wide === true ? styles["wide"] : ""}`}>
          <header className={styles["header"]}>
            <Base.Title className={styles["title"]}>{title}</Base.Title>
            <Base.Close className={styles["close"]} aria-label={t("common.close")}>
              <X size={18} aria-hidden />
            </Base.Close>
          </header>
          {description !== undefined && (
            <Base.Description render={<div />} className={styles["description"]}>
              {description}
            </Base.Description>
          )}
          <div className={styles["body"]}>{children}</div>
          {actions !== undefined && <footer className={styles["actions"]}>{actions}</footer>}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
