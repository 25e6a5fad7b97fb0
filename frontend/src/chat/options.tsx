/** How to answer: which model, at what price, and whether it is given memories. */

import { lazy } from "react";
import { OnDemand } from "../ui/on-demand";
import styles from "./options.module.css";
import { OptionsLabel } from "./options-label";
import type { OptionsProps } from "./options-popover";

const OptionsPopover = lazy(() => import("./options-popover"));

export function Options({ choice, onChange }: OptionsProps) {
  return (
    <OnDemand
      button={(open) => (
        <button
          type="button"
          className={styles["trigger"]}
          aria-haspopup="dialog"
          aria-expanded={false}
          onClick={open}
        >
          <OptionsLabel choice={choice} />
        </button>
      )}
    >
      <OptionsPopover choice={choice} onChange={onChange} />
    </OnDemand>
  );
}
