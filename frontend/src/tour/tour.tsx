/** The first steps, for who has no memories yet: beside the app and not over it, so that each step can be tried at once. */

import { useQuery } from "@tanstack/react-query";
import { BookHeart, KeyRound, MessageCircle, Search, X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { data } from "../api/client";
import { useServices } from "../services";
import { Button, IconButton } from "../ui/button";
import { endTour } from "./ended";
import styles from "./tour.module.css";

const STEPS = [
  { name: "remember", icon: BookHeart, href: null },
  { name: "recall", icon: Search, href: null },
  { name: "chat", icon: MessageCircle, href: "/chat" },
  { name: "yours", icon: KeyRound, href: "/account/data" },
] as const;

/** Shows one step after the other; `onEnd` is told when it was gone through or skipped. */
export default function Tour({ onEnd }: { onEnd: () => void }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const [index, setIndex] = useState(0);
  const { data: isNew } = useQuery({
    queryKey: ["tour"],
    queryFn: async () => {
      const { items } = await data(api.GET("/v1/memories", { params: { query: { limit: 1 } } }));
      if (items.length > 0) endTour(localStorage);
      return items.length === 0;
    },
    // Who begins to write keeps the tour until its end.
    staleTime: Infinity,
  });
  const step = STEPS[index];
  if (isNew !== true || step === undefined) return null;
  const end = () => {
    endTour(localStorage);
    onEnd();
  };
  const last = index === STEPS.length - 1;
  const Icon = step.icon;
  return (
    <section aria-label={t("tour.title")} className={styles["tour"]}>
      <span aria-hidden className={styles["icon"]}>
        <Icon />
      </span>
      <div className={styles["step"]} aria-live="polite">
        <p className={styles["count"]}>{t("tour.count", { step: index + 1, of: STEPS.length })}</p>
        <h2>{t(`tour.${step.name}`)}</h2>
        <p>{t(`tour.${step.name}Text`)}</p>
        {step.href !== null && <Link href={step.href}>{t("tour.look")}</Link>}
      </div>
      <IconButton label={t("tour.skip")} className={styles["skip"]} onClick={end}>
        <X size={18} aria-hidden />
      </IconButton>
      <div className={styles["actions"]}>
        {index > 0 && (
          <Button small look="quiet" onClick={() => setIndex(index - 1)}>
            {t("tour.back")}
          </Button>
        )}
        <Button small look="primary" onClick={last ? end : () => setIndex(index + 1)}>
          {last ? t("tour.end") : t("tour.next")}
        </Button>
      </div>
    </section>
  );
}
