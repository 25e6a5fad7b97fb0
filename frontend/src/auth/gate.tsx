/** Lets in who is signed in; leads everybody else to the sign-in pages. Without a network, who was signed in here may write. */

import { useEffect, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useAuth } from "react-oidc-context";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Loading } from "../ui/loading";
import { Notice } from "../ui/notice";
import styles from "./gate.module.css";

export function Gate({ children }: { children: ReactNode }) {
  const { session } = useServices();
  const { isLoading, isAuthenticated, error, activeNavigator } = useAuth();
  // It stays so when the network is back: going to the sign-in pages then is for the user to choose, by the banner.
  const [openedOffline] = useState(() => session.wasSignedIn && !navigator.onLine);
  const straightOn =
    !isLoading && !isAuthenticated && error === undefined && session.wasSignedIn && !openedOffline;

  useEffect(() => {
    if (straightOn) void session.signIn();
  }, [straightOn, session]);

  if (isAuthenticated || openedOffline) return children;
  if (isLoading || straightOn || activeNavigator === "signinRedirect") return <Loading />;
  return <Welcome failed={error?.message ?? null} />;
}

function Welcome({ failed }: { failed: string | null }) {
  const { t } = useTranslation();
  const { session } = useServices();
  return (
    <main className={styles["welcome"]}>
      <img src="/icon.svg" alt="" width={72} height={72} />
      <h1>{t("welcome.title")}</h1>
      <p className={styles["text"]}>{t("welcome.text")}</p>
      {failed !== null && (
        <Notice kind="danger" title={t("welcome.failed")}>
          <p>{failed}</p>
        </Notice>
      )}
      <Button look="primary" onClick={() => session.signIn()}>
        {t("common.signIn")}
      </Button>
      <ul className={styles["promises"]}>
        <li>{t("welcome.promise1")}</li>
        <li>{t("welcome.promise2")}</li>
        <li>{t("welcome.promise3")}</li>
      </ul>
    </main>
  );
}
