import { useTranslation } from "react-i18next";
import { Failure } from "../ui/failure";
import styles from "./unreachable.module.css";

/** What the app shows that could not even read its configuration. */
export function Unreachable({ error }: { error: unknown }) {
  const { t } = useTranslation();
  return (
    <main className={styles["page"]}>
      <h1>{t("welcome.title")}</h1>
      <Failure error={error} retry={() => window.location.reload()} />
    </main>
  );
}
