import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { forgetLocalData } from "../local-data";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Failure } from "../ui/failure";
import { Field } from "../ui/field";
import styles from "./data.module.css";
import { Section } from "./section";

/** The way out for good: says what it means, and wants it typed. */
export function DeleteAccount({ onDeleted }: { onDeleted: (receipt: Schema["Receipt"]) => void }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const word = t("account.delete.word");
  const sure = typed.trim().toLocaleLowerCase() === word.toLocaleLowerCase();
  const erase = useMutation({
    mutationFn: () =>
      data(api.DELETE("/v1/account", { params: { query: { confirm: "delete-everything" } } })),
    onSuccess: async (receipt) => {
      queries.clear();
      await forgetLocalData();
      onDeleted(receipt);
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (sure && !erase.isPending) erase.mutate();
  };
  const close = () => {
    setAsking(false);
    setTyped("");
  };
  return (
    <Section danger title={t("account.delete.title")} text={t("account.delete.text")}>
      <ul className={styles["meaning"]}>
        <li>{t("account.delete.all")}</li>
        <li>{t("account.delete.signIn")}</li>
        <li>{t("account.delete.backups")}</li>
        <li>{t("account.delete.noWayBack")}</li>
      </ul>
      <div>
        <Button look="danger" onClick={() => setAsking(true)}>
          {t("account.delete.begin")}
        </Button>
      </div>
      <Dialog
        open={asking}
        onClose={close}
        title={t("account.delete.title")}
        description={t("account.delete.noWayBack")}
        actions={
          <>
            <Button onClick={close}>{t("common.cancel")}</Button>
            <Button look="danger" type="submit" form="delete-account" disabled={!sure} busy={erase.isPending}>
              {t("account.delete.confirm")}
            </Button>
          </>
        }
      >
        <form id="delete-account" onSubmit={submit}>
          <Field label={t("account.delete.type", { word })}>
            {(control) => (
              <input
                {...control}
                autoComplete="off"
                autoCapitalize="off"
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            )}
          </Field>
        </form>
        {erase.error && <Failure error={erase.error} />}
      </Dialog>
    </Section>
  );
}
