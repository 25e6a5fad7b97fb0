/** A number in an answer that shows the memory which it rests on. */

import { lazy } from "react";
import { useTranslation } from "react-i18next";
import { OnDemand } from "../ui/on-demand";
import styles from "./cite.module.css";
import type { CiteProps } from "./cite-popover";

const CitePopover = lazy(() => import("./cite-popover"));

export function Cite(props: CiteProps) {
  const { t } = useTranslation();
  const { number } = props.citation;
  return (
    <OnDemand
      button={(open) => (
        <button
          type="button"
          className={styles["cite"]}
          aria-label={t("chat.citation", { number })}
          aria-haspopup="dialog"
          aria-expanded={false}
          onClick={open}
        >
          {number}
        </button>
      )}
    >
      <CitePopover {...props} />
    </OnDemand>
  );
}
