/** Another title for a conversation, and its end. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { data } from "../api/client";
import { ProblemError } from "../api/problems";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Failure } from "../ui/failure";
import { Field } from "../ui/field";
import styles from "./conversation-dialogs.module.css";
import { CONVERSATIONS, forgetList, messagesKey } from "./messages";

interface DialogProps {
  conversation: string;
  title: string;
  onClose: () => void;
}

const MAX_TITLE = 120;

export function RenameDialog({ conversation, title, onClose }: DialogProps) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const [text, setText] = useState(title);
  const rename = useMutation({
    mutationFn: (title: string) =>
      data(
        api.PATCH("/v1/conversations/{conversationId}", {
          params: { path: { conversationId: conversation } },
          body: { title },
        }),
      ),
    onSuccess: (renamed) => {
      queries.setQueryData([...CONVERSATIONS, conversation, "about"], renamed);
      forgetList(queries);
      onClose();
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (text.trim() !== "") rename.mutate(text.trim());
  };
  return (
    <Dialog open onClose={onClose} title={t("chat.rename")}>
      <form onSubmit={submit} className={styles["form"]}>
        <Field label={t("chat.titleLabel")}>
          {(control) => (
            <input
              {...control}
              maxLength={MAX_TITLE}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        {rename.error && <Failure error={rename.error} />}
        <Button type="submit" look="primary" busy={rename.isPending}>
          {t("chat.save")}
        </Button>
      </form>
    </Dialog>
  );
}

export function DeleteDialog({
  conversation,
  title,
  onClose,
  onDeleted,
}: DialogProps & { onDeleted: () => void }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      api
        .DELETE("/v1/conversations/{conversationId}", { params: { path: { conversationId: conversation } } })
        .catch((error: unknown) => {
          // An earlier attempt whose answer was lost has done it.
          if (!(error instanceof ProblemError && error.status === 404)) throw error;
        }),
    onSuccess: () => {
      onDeleted();
      queries.removeQueries({ queryKey: messagesKey(conversation) });
      forgetList(queries);
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={t("chat.deleteTitle", { title })}
      description={t("chat.deleteText")}
      actions={
        <>
          <Button onClick={onClose}>{t("chat.cancel")}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
            {t("chat.deleteForGood")}
          </Button>
        </>
      }
    >
      {remove.error && <Failure error={remove.error} />}
    </Dialog>
  );
}
