import { useTranslation } from "react-i18next";
import styles from "./loading.module.css";

/** Shows that something is on its way; says so to screen readers, and nothing to the eye for the first moments. */
export function Loading() {
  const { t } = useTranslation();
  return (
    <div role="status" className={styles["loading"]}>
      <span className={styles["dot"]} />
      <span className={styles["dot"]} />
      <span className={styles["dot"]} />
      <span className="visually-hidden">{t("common.loading")}</span>
    </div>
  );
}
