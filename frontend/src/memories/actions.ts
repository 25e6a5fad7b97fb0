/** What can be done to memories that are there. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { data, type Api, type Schema } from "../api/client";
import { useServices } from "../services";
import { describe } from "../ui/failure";
import { toast } from "../ui/toasts";
import { addStored, changeMemories, KEYS, refreshDerived, type Memory } from "./cache";

/** As many as one request to `/v1/memories/batch` may delete or create. */
export const BATCH = 100;

/** Parts of at most `size`. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

/** The precondition that a memory is still what was read. */
export function ifMatch(memory: Pick<Memory, "version">) {
  return { "If-Match": `"${memory.version}"` };
}

async function deleteAll(api: Api, ids: readonly string[]): Promise<void> {
  const [only, ...more] = ids;
  if (only !== undefined && more.length === 0) {
    await api.DELETE("/v1/memories/{memoryId}", { params: { path: { memoryId: only } } });
    return;
  }
  for (const part of chunks(ids, BATCH)) await api.POST("/v1/memories/batch", { body: { delete: part } });
}

/** Delete memories: gone from the screen at once, with a way to bring them back. */
export function useDelete(): (memories: readonly Memory[]) => void {
  const { api } = useServices();
  const { t } = useTranslation();
  const queries = useQueryClient();
  const restore = useRestore();
  const remove = useMutation({
    mutationFn: (memories: readonly Memory[]) =>
      deleteAll(
        api,
        memories.map(({ id }) => id),
      ),
    onMutate: (memories) => {
      const ids = new Set(memories.map(({ id }) => id));
      changeMemories(queries, (memory) => (ids.has(memory.id) ? null : memory));
    },
    onSuccess: (_, memories) => {
      toast({
        title: t("memories.deleted", { count: memories.length }),
        action: { label: t("memories.undo"), run: () => restore(memories.map(({ id }) => id)) },
      });
      void refreshDerived(queries);
    },
    onError: (error, memories) => {
      addStored(queries, memories);
      toast({
        kind: "danger",
        title: t("memories.notDeleted", { count: memories.length }),
        description: describe(error, t).text,
      });
    },
  });
  return remove.mutate;
}

/** Bring deleted memories back. */
function useRestore(): (ids: readonly string[]) => void {
  const { api } = useServices();
  const { t } = useTranslation();
  const queries = useQueryClient();
  const restore = useMutation({
    mutationFn: async (ids: readonly string[]) => {
      for (const part of chunks(ids, 4)) {
        const restored = await Promise.all(
          part.map((memoryId) =>
            data(api.POST("/v1/memories/{memoryId}/restore", { params: { path: { memoryId } } })),
          ),
        );
        addStored(queries, restored);
      }
    },
    onSuccess: (_, ids) => toast({ title: t("memories.restored", { count: ids.length }) }),
    onError: (error) =>
      toast({ kind: "danger", title: t("memories.notRestored"), description: describe(error, t).text }),
  });
  return restore.mutate;
}

interface Change {
  memory: Memory;
  change: Schema["MemoryUpdate"];
}

/** Change a memory, if it is still what was read: a 412 says that it is not. */
export function useUpdate() {
  const { api } = useServices();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ memory, change }: Change) =>
      data(
        api.PATCH("/v1/memories/{memoryId}", {
          params: { path: { memoryId: memory.id }, header: ifMatch(memory) },
          body: change,
        }),
      ),
    onSuccess: async (updated) => {
      changeMemories(queries, (memory) => (memory.id === updated.id ? updated : memory));
      queries.setQueryData(KEYS.one(updated.id), updated);
      await queries.invalidateQueries({ queryKey: KEYS.history(updated.id) });
      await refreshDerived(queries);
    },
  });
}

/** Pin or unpin a memory: shown at once. */
export function usePin(): (memory: Memory) => void {
  const { api } = useServices();
  const { t } = useTranslation();
  const queries = useQueryClient();
  const show = (changed: Memory) =>
    changeMemories(queries, (memory) => (memory.id === changed.id ? changed : memory));
  const pin = useMutation({
    // Without a precondition: whatever else was changed meanwhile, this is what the user wants.
    mutationFn: (memory: Memory) =>
      data(
        api.PATCH("/v1/memories/{memoryId}", {
          params: { path: { memoryId: memory.id } },
          body: { pinned: !memory.pinned },
        }),
      ),
    onMutate: (memory) => show({ ...memory, pinned: !memory.pinned }),
    onSuccess: (updated) => {
      show(updated);
      void queries.invalidateQueries({ queryKey: KEYS.counts });
    },
    onError: (error, memory) => {
      show(memory);
      const { title, text } = describe(error, t);
      toast({ kind: "danger", title, description: text });
    },
  });
  return pin.mutate;
}
