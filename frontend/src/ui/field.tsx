import { useId, type ReactNode } from "react";
import styles from "./field.module.css";

interface FieldProps {
  label: ReactNode;
  /** What helps to fill it in; read after the label. */
  hint?: ReactNode;
  /** Makes the input or select, which takes what ties it to its label. */
  children: (control: { id: string; "aria-describedby"?: string }) => ReactNode;
}

/** A control with its name above it. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div className={styles["field"]}>
      <label htmlFor={id} className={styles["label"]}>
        {label}
      </label>
      {children({ id, ...(hint !== undefined && { "aria-describedby": hintId }) })}
      {hint !== undefined && (
        <span id={hintId} className={styles["hint"]}>
          {hint}
        </span>
      )}
    </div>
  );
}
