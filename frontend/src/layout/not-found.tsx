import { Compass } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { EmptyState } from "../ui/empty-state";
import { Page } from "./page";

/** An address that leads nowhere. */
export function NotFound() {
  const { t } = useTranslation();
  return (
    <Page title={t("notFound.title")}>
      <EmptyState
        icon={<Compass />}
        title={t("notFound.heading")}
        actions={<Link href="/">{t("notFound.home")}</Link>}
      >
        {t("notFound.text")}
      </EmptyState>
    </Page>
  );
}
