/** What can be done to all chosen memories at once. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Tag, Trash2 } from "lucide-react";
import { useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { data } from "../api/client";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { describe } from "../ui/failure";
import { toast } from "../ui/toasts";
import { chunks, ifMatch, useDelete } from "./actions";
import { changeMemories, refreshDerived, type Memory } from "./cache";
import { useSelection } from "./selection";
import styles from "./selection-bar.module.css";

export default function SelectionBar({ fallback }: { fallback: string }) {
  const { t } = useTranslation();
  const { selected, clear } = useSelection();
  const remove = useDelete();
  const [tagging, setTagging] = useState(false);
  const tag = useTagAll();
  const memories = [...selected.values()];

  const finish = () => {
    clear();
    document.getElementById(fallback)?.focus();
  };
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get("tag");
    if (typeof name !== "string" || name.trim() === "") return;
    tag.mutate({ memories, tag: name.trim() }, { onSuccess: finish });
  };
  return (
    <div
      role="toolbar"
      aria-label={t("memories.selected", { count: selected.size })}
      className={styles["bar"]}
    >
      <p role="status">{t("memories.selected", { count: selected.size })}</p>
      {tagging ? (
        <form onSubmit={submit} className={styles["form"]}>
          <input
            name="tag"
            aria-label={t("memories.tagName")}
            placeholder={t("memories.tagName")}
            maxLength={50}
          />
          <Button type="submit" small look="primary" busy={tag.isPending}>
            {t("memories.tagAdd")}
          </Button>
        </form>
      ) : (
        <Button small icon={<Tag size={16} aria-hidden />} onClick={() => setTagging(true)}>
          {t("memories.tag")}
        </Button>
      )}
      <Button
        small
        look="danger"
        icon={<Trash2 size={16} aria-hidden />}
        onClick={() => {
          remove(memories);
          finish();
        }}
      >
        {t("memories.delete")}
      </Button>
      <Button small look="quiet" onClick={finish}>
        {t("memories.unselect")}
      </Button>
    </div>
  );
}

/** Give all of some memories a tag; those that changed meanwhile are left as they are, and said. */
function useTagAll() {
  const { api } = useServices();
  const { t } = useTranslation();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ memories, tag }: { memories: readonly Memory[]; tag: string }) => {
      for (const part of chunks(memories, 4)) {
        const updated = await Promise.all(
          part.map((memory) =>
            data(
              api.PATCH("/v1/memories/{memoryId}", {
                params: { path: { memoryId: memory.id }, header: ifMatch(memory) },
                body: { tags: [...new Set([...memory.tags, tag])] },
              }),
            ),
          ),
        );
        const byId = new Map(updated.map((memory) => [memory.id, memory]));
        changeMemories(queries, (memory) => byId.get(memory.id) ?? memory);
      }
    },
    onSettled: () => refreshDerived(queries),
    onError: (error) => {
      const { title, text } = describe(error, t);
      toast({ kind: "danger", title, description: text });
    },
  });
}
