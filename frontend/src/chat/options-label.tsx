import { ChevronDown } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useServices } from "../services";
import { modelName } from "./models";
import styles from "./options.module.css";
import type { Choice } from "./talks";

/** What was chosen, as its button says it. */
export function OptionsLabel({ choice }: { choice: Choice }) {
  const { t } = useTranslation();
  const { configuration } = useServices();
  return (
    <>
      <span className="visually-hidden">{t("chat.optionsTitle")}: </span>
      <span className={styles["name"]}>{modelName(choice.model ?? configuration.defaultModel)}</span>
      {!choice.memory && <span className={styles["off"]}>{t("chat.memoryOff")}</span>}
      <ChevronDown size={14} aria-hidden />
    </>
  );
}
