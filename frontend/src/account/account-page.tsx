import { lazy, Suspense, type ComponentType } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "wouter";
import { NotFound } from "../layout/not-found";
import { Page } from "../layout/page";
import { Loading } from "../ui/loading";
import styles from "./account-page.module.css";
import { Usage } from "./usage";

const SECTIONS = {
  usage: Usage,
  profile: lazy(() => import("./profile")),
  access: lazy(() => import("./access")),
  data: lazy(() => import("./data")),
} as const satisfies Record<string, ComponentType>;

type SectionName = keyof typeof SECTIONS;

const NAMES = Object.keys(SECTIONS) as SectionName[];

/** What a person has at this Recall, each part at an address of its own: `/account`, `/account/profile`, … */
export default function AccountPage() {
  const { t } = useTranslation();
  const { section = "usage" } = useParams<{ section?: string }>();
  const name = NAMES.find((known) => known === section);
  if (name === undefined) return <NotFound />;
  const Shown = SECTIONS[name];
  return (
    <Page title={t("account.title")} part={t(`account.sections.${name}`)}>
      <nav aria-label={t("account.title")} className={styles["sections"]}>
        {NAMES.map((other) => (
          <Link
            key={other}
            href={other === "usage" ? "/account" : `/account/${other}`}
            aria-current={other === name ? "page" : undefined}
          >
            {t(`account.sections.${other}`)}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Loading />}>
        <Shown />
      </Suspense>
    </Page>
  );
}
