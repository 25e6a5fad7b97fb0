import { useId, type ReactNode } from "react";
import styles from "./section.module.css";

interface SectionProps {
  title: string;
  /** Said under the title: what this is about. */
  text?: ReactNode;
  /** What cannot be undone. */
  danger?: boolean;
  children: ReactNode;
}

/** One matter of the account, in a box with a heading. */
export function Section({ title, text, danger, children }: SectionProps) {
  const id = useId();
  return (
    <section
      aria-labelledby={id}
      className={`${styles["section"]} ${danger === true ? styles["danger"] : ""}`}
    >
      <h2 id={id}>{title}</h2>
      {text !== undefined && <p>{text}</p>}
      {children}
    </section>
  );
}

/** Controls side by side. */
export function Row({ children }: { children: ReactNode }) {
  return <div className={styles["row"]}>{children}</div>;
}

/** Fields side by side where there is room. */
export function Fields({ children }: { children: ReactNode }) {
  return <div className={styles["fields"]}>{children}</div>;
}
