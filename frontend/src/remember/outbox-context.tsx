/** One outbox for all screens, of the user who is signed in. */

import { useQueryClient } from "@tanstack/react-query";
import { createContext, use, useEffect, useMemo, useSyncExternalStore, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { addStored } from "../memories/cache";
import { useServices } from "../services";
import { toast } from "../ui/toasts";
import { Outbox } from "./outbox";
import { OutboxStore, type Waiting } from "./outbox-store";

const OutboxContext = createContext<Outbox | null>(null);

export function OutboxProvider({ children }: { children: ReactNode }) {
  const { api, session } = useServices();
  const { t } = useTranslation();
  const queries = useQueryClient();
  const owner = session.subject ?? "";
  const outbox = useMemo(
    () =>
      new Outbox({
        owner,
        api,
        store: new OutboxStore(),
        locks: navigator.locks,
        onStored: (stored) => {
          addStored(
            queries,
            stored.map(({ memory }) => memory),
          );
          if (stored.some(({ duplicate }) => duplicate)) toast({ title: t("remember.duplicate") });
        },
      }),
    [owner, api, queries, t],
  );
  useEffect(() => {
    outbox.start();
    return () => outbox.stop();
  }, [outbox]);
  return <OutboxContext value={outbox}>{children}</OutboxContext>;
}

/** The outbox. Throws outside of `OutboxProvider`. */
export function useOutbox(): Outbox {
  const outbox = use(OutboxContext);
  if (outbox === null) throw new Error("no outbox: a component stands outside of OutboxProvider");
  return outbox;
}

/** What waits to be sent or was refused, the oldest first. */
export function useWaiting(): readonly Waiting[] {
  const outbox = useOutbox();
  return useSyncExternalStore(outbox.subscribe, outbox.snapshot);
}
