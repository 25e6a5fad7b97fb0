import { CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import styles from "./notice.module.css";

const ICONS = { info: Info, success: CircleCheck, warning: TriangleAlert, danger: CircleAlert };

interface NoticeProps {
  kind?: keyof typeof ICONS;
  title?: string;
  children?: ReactNode;
  /** What the user can do about it. */
  actions?: ReactNode;
}

/** A boxed message: something to know, or something that went wrong and what to do. */
export function Notice({ kind = "info", title, children, actions }: NoticeProps) {
  const Icon = ICONS[kind];
  return (
    <div className={`${styles["notice"]} ${styles[kind]}`} role={kind === "danger" ? "alert" : "status"}>
      <Icon aria-hidden size={18} className={styles["icon"]} />
      <div className={styles["body"]}>
        {title !== undefined && <p className={styles["title"]}>{title}</p>}
        {children}
        {actions !== undefined && <div className={styles["actions"]}>{actions}</div>}
      </div>
    </div>
  );
}
