import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import styles from "./button.module.css";

type Look = "primary" | "secondary" | "quiet" | "danger";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  small?: boolean;
  /** Shows that the work has begun, and keeps it from being asked for twice; the focus stays, as it would not when disabled. */
  busy?: boolean;
  icon?: ReactNode;
}

/** A button with a text. */
export function Button({
  look = "secondary",
  small,
  busy,
  icon,
  children,
  className,
  onClick,
  ...rest
}: ButtonProps) {
  const names = [styles["button"], styles[look], small && styles["small"], className]
    .filter(Boolean)
    .join(" ");
  return (
    <button
      type="button"
      className={names}
      aria-busy={busy}
      aria-disabled={busy}
      onClick={busy === true ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** What the button does, for those who do not see its picture; also its tooltip. */
  label: string;
  ref?: Ref<HTMLButtonElement>;
}

/** A button that is a picture. */
export function IconButton({ label, children, className, ...rest }: IconButtonProps) {
  const names = [styles["icon"], className].filter(Boolean).join(" ");
  return (
    <button type="button" className={names} aria-label={label} title={label} {...rest}>
      {children}
    </button>
  );
}
