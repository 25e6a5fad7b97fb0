import { useEffect, useRef, useState, type ReactNode } from "react";
import styles from "./page.module.css";

interface PageProps {
  title: string;
  /** The part of the screen that is open, where it has several: said in the browser's tab too. */
  part?: string;
  /** Beside the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** Whether a screen was shown since the page was loaded: the first one leaves the focus where the browser put it. */
let opened = false;

/**
 * One screen: its title, also in the browser's tab, and what it shows.
 *
 * Who goes from one screen to another finds the focus on its heading, so that a keyboard goes on from there and a screen
 * reader says where it is; a change of the title within a screen is said.
 */
export function Page({ title, part, actions, children }: PageProps) {
  const page = useRef<HTMLDivElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const full = part === undefined ? title : `${part} · ${title}`;
  const [first] = useState(full);

  useEffect(() => {
    document.title = `${full} · Recall`;
  }, [full]);

  useEffect(() => {
    const elsewhere = page.current?.contains(document.activeElement) !== true;
    if (opened && elsewhere) heading.current?.focus();
    opened = true;
  }, []);

  return (
    <div ref={page} className={styles["page"]}>
      <header className={styles["header"]}>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions !== undefined && <div className={styles["actions"]}>{actions}</div>}
      </header>
      <p aria-live="polite" className="visually-hidden">
        {full !== first && full}
      </p>
      {children}
    </div>
  );
}
