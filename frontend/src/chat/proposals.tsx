/** Words of a question that may be worth remembering: the user decides, in place. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Check, Sparkles } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { data } from "../api/client";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import type { Proposal } from "./exchange";
import { keepDecision } from "./messages";
import styles from "./proposals.module.css";

interface ProposalsProps {
  conversation: string;
  proposals: readonly Proposal[];
}

export function Proposals({ conversation, proposals }: ProposalsProps) {
  const { t } = useTranslation();
  if (proposals.length === 0) return null;
  return (
    <ul className={styles["proposals"]} aria-label={t("chat.proposals")}>
      {proposals.map((proposal) => (
        <Proposed key={proposal.id} conversation={conversation} proposal={proposal} />
      ))}
    </ul>
  );
}

function Proposed({ conversation, proposal }: { conversation: string; proposal: Proposal }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const place = useRef<HTMLLIElement>(null);
  const params = { path: { conversationId: conversation, proposalId: proposal.id } };
  const decide = useMutation({
    mutationFn: async (accept: boolean): Promise<Pick<Proposal, "decision" | "memoryId">> => {
      if (accept) {
        const path = "/v1/conversations/{conversationId}/proposals/{proposalId}/accept";
        return { decision: "accepted", memoryId: (await data(api.POST(path, { params }))).id };
      }
      await api.POST("/v1/conversations/{conversationId}/proposals/{proposalId}/reject", { params });
      return { decision: "rejected", memoryId: null };
    },
    onSuccess: async (decided) => {
      keepDecision(queries, conversation, proposal.id, decided);
      if (decided.decision === "accepted") await queries.invalidateQueries({ queryKey: ["memories"] });
    },
  });
  const { decision } = proposal;
  // The buttons go away with the decision: the focus stays where they were.
  useEffect(() => {
    if (decide.isSuccess && decision !== "pending") place.current?.focus();
  }, [decide.isSuccess, decision]);

  return (
    <li ref={place} tabIndex={-1} className={styles["proposal"]} data-decision={decision}>
      {decision === "accepted" ? <Check size={18} aria-hidden /> : <Sparkles size={18} aria-hidden />}
      <div className={styles["body"]}>
        <p className={styles["label"]} role="status">
          {t(`chat.proposal.${decision}`)}
        </p>
        {decision !== "rejected" && <p>{proposal.text}</p>}
        {decide.error && <Failure error={decide.error} />}
      </div>
      {decision === "pending" && (
        <div className={styles["actions"]}>
          <Button small look="primary" busy={decide.isPending} onClick={() => decide.mutate(true)}>
            {t("chat.proposal.accept")}
          </Button>
          <Button small look="quiet" busy={decide.isPending} onClick={() => decide.mutate(false)}>
            {t("chat.proposal.reject")}
          </Button>
        </div>
      )}
      {decision === "accepted" && proposal.memoryId !== null && (
        <Link href={`/memories/${proposal.memoryId}`}>{t("chat.openMemory")}</Link>
      )}
    </li>
  );
}
