/** Asks before a sign-out what becomes of what is not sent yet. */

import { lazy, Suspense, useEffect, useState } from "react";
import { useDrafts } from "../drafts";
import { useServices } from "../services";
import { useOutbox, useWaiting } from "./outbox-context";

const LeaveDialog = lazy(() => import("./leave-dialog"));

export function SignOutGuard() {
  const { session } = useServices();
  const outbox = useOutbox();
  const waiting = useWaiting();
  const drafts = useDrafts();
  const [question, setQuestion] = useState<{ answer: (leave: boolean) => void } | null>(null);

  useEffect(
    () =>
      session.guardSignOut(() =>
        outbox.snapshot().length === 0 && drafts.names().length === 0
          ? Promise.resolve(true)
          : new Promise((resolve) => setQuestion({ answer: resolve })),
      ),
    [session, outbox, drafts],
  );

  if (question === null) return null;
  const answer = (leave: boolean) => {
    question.answer(leave);
    setQuestion(null);
  };
  const forget = async () => {
    await outbox.discard(waiting.map(({ id }) => id));
    drafts.forget();
    answer(true);
  };
  return (
    <Suspense fallback={null}>
      <LeaveDialog
        count={waiting.length}
        onStay={() => answer(false)}
        onKeep={() => answer(true)}
        onForget={forget}
      />
    </Suspense>
  );
}
