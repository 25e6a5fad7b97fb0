/** A number in an answer that shows the memory which it rests on. */

import { lazy } from "react";
import { useTranslation } from "react-i18next";
import type { Schema } from "../api/client";
import { OnDemand } from "../ui/on-demand";
import styles from "./cite.module.css";
import type { Citation } from "./exchange";

const CitePopover = lazy(() => import("./cite-popover"));

export interface CiteProps {
  citation: Citation;
  /** The memory as the model was given it, where that is known. */
  memory?: Schema["MemoryView"];
}

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
