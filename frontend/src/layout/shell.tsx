/** The frame of every screen: the way to the others, what is wrong right now, and the place of the screen itself. */

import { BookHeart, CircleUser, MessageCircle } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link, useRoute } from "wouter";
import { QuickRemember } from "../remember/quick-remember";
import { SignOutGuard } from "../remember/sign-out-guard";
import { TourGate } from "../tour/tour-gate";
import { Banners } from "./banners";
import styles from "./shell.module.css";

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const [atHome] = useRoute("/");
  return (
    <div className={styles["shell"]}>
      <a href="#content" className={`visually-hidden ${styles["skip"]}`}>
        {t("shell.skip")}
      </a>
      <header className={styles["side"]}>
        <Link href="/" className={styles["brand"]}>
          <img src="/icon.svg" alt="" width={28} height={28} />
          Recall
        </Link>
        <QuickRemember />
        <nav aria-label={t("shell.navigation")} className={styles["navigation"]}>
          <Place href="/" pattern="/" icon={<BookHeart size={20} aria-hidden />} name={t("shell.memories")} />
          <Place
            href="/chat"
            pattern="/chat/*?"
            icon={<MessageCircle size={20} aria-hidden />}
            name={t("shell.chat")}
          />
          <Place
            href="/account"
            pattern="/account/*?"
            icon={<CircleUser size={20} aria-hidden />}
            name={t("shell.account")}
          />
        </nav>
      </header>
      <main id="content" className={styles["content"]} tabIndex={-1}>
        <Banners />
        {atHome && <TourGate />}
        {children}
      </main>
      <SignOutGuard />
    </div>
  );
}

function Place({
  href,
  pattern,
  icon,
  name,
}: {
  href: string;
  pattern: string;
  icon: ReactNode;
  name: string;
}) {
  const [here] = useRoute(pattern);
  return (
    <Link href={href} className={styles["place"]} aria-current={here ? "page" : undefined}>
      {icon}
      {name}
    </Link>
  );
}
