/** What is wrong for the whole app right now: no network, or a session that is over. Nothing that was typed is lost by either. */

import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Notice } from "../ui/notice";

export function Banners() {
  const { t } = useTranslation();
  const { session } = useServices();
  const online = useOnline();
  const over = useSyncExternalStore(session.subscribe, () => session.isOver);
  return (
    <>
      {!online && (
        <Notice kind="warning" title={t("banner.offline")}>
          <p>{t("banner.offlineText")}</p>
        </Notice>
      )}
      {over && (
        <Notice
          kind="warning"
          title={t("banner.signedOut")}
          actions={
            <Button small look="primary" onClick={() => session.signIn()}>
              {t("common.signIn")}
            </Button>
          }
        >
          <p>{t("banner.signedOutText")}</p>
        </Notice>
      )}
    </>
  );
}

/** Whether the browser believes that there is a network. */
export function useOnline(): boolean {
  return useSyncExternalStore(
    (listener) => {
      window.addEventListener("online", listener);
      window.addEventListener("offline", listener);
      return () => {
        window.removeEventListener("online", listener);
        window.removeEventListener("offline", listener);
      };
    },
    () => navigator.onLine,
  );
}
