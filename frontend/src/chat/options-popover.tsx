import { Popover } from "@base-ui/react/popover";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useServices } from "../services";
import { Failure } from "../ui/failure";
import { money } from "../ui/money";
import popover from "../ui/popover.module.css";
import { modelName, modelsQuery, ordinaryCost } from "./models";
import styles from "./options.module.css";
import { OptionsLabel } from "./options-label";
import type { Choice } from "./talks";

export interface OptionsProps {
  choice: Choice;
  onChange: (choice: Choice) => void;
}

/** The button with what there is to choose; opens with its first press. */
export default function OptionsPopover({ choice, onChange }: OptionsProps) {
  const { t } = useTranslation();
  return (
    <Popover.Root defaultOpen>
      <Popover.Trigger className={styles["trigger"]}>
        <OptionsLabel choice={choice} />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner
          side="top"
          align="start"
          sideOffset={8}
          collisionPadding={12}
          className={popover["positioner"]}
        >
          <Popover.Popup
            className={`${popover["popup"]} ${styles["popup"]}`}
            aria-label={t("chat.optionsTitle")}
          >
            <Models choice={choice} onChange={onChange} />
            <label className={styles["switch"]}>
              <input
                type="checkbox"
                role="switch"
                checked={choice.memory}
                onChange={(event) => onChange({ ...choice, memory: event.target.checked })}
              />
              <span>
                {t("chat.useMemories")}
                <small>{t("chat.useMemoriesText")}</small>
              </span>
            </label>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Models({ choice, onChange }: OptionsProps) {
  const { t, i18n } = useTranslation();
  const { api, configuration } = useServices();
  const { data: list, error, refetch } = useQuery(modelsQuery(api));
  const dollars = (amount: number) => money(amount, i18n.language);
  const chosen = choice.model ?? configuration.defaultModel;
  return (
    <fieldset className={styles["models"]}>
      <legend>{t("chat.model")}</legend>
      {error && <Failure error={error} retry={() => void refetch()} />}
      {list?.models.map(({ id, price }) => (
        <label key={id} className={styles["model"]}>
          <input
            type="radio"
            name="model"
            checked={id === chosen}
            onChange={() => onChange({ ...choice, model: id })}
          />
          <span>
            <strong>{modelName(id)}</strong>
            <small>{t("chat.priceOfAnswer", { price: dollars(ordinaryCost(price)) })}</small>
            <small>
              {t("chat.price", { input: dollars(price.input), output: dollars(price.output) })}
              {!price.known && ` ${t("chat.priceUnknown")}`}
            </small>
          </span>
        </label>
      ))}
      {list && (
        <p className={styles["asOf"]}>
          {t("chat.pricesAsOf", {
            date: new Intl.DateTimeFormat(i18n.language, { dateStyle: "long" }).format(
              new Date(list.pricesAsOf),
            ),
          })}
        </p>
      )}
    </fieldset>
  );
}
