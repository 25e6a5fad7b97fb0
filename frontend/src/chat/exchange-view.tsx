/** A question and its answer. */

import { Pencil, RotateCcw } from "lucide-react";
import { lazy, memo, Suspense, useEffect, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button, IconButton } from "../ui/button";
import { money } from "../ui/money";
import { CopyButton } from "./copy-button";
import { Ending } from "./ending";
import { isRunning, isSettled, type Exchange } from "./exchange";
import styles from "./exchange-view.module.css";
import { Given } from "./given";
import { modelName } from "./models";
import { Proposals } from "./proposals";

const Markdown = lazy(() => import("./markdown"));

interface ExchangeViewProps {
  exchange: Exchange;
  /** The conversation that proposals belong to; null while there is none. */
  conversation: string | null;
  /** Whether something else is being written: then nothing can be asked anew. */
  busy: boolean;
  onAsk: (exchange: Exchange, question: string) => void;
  onTakeBack: (exchange: Exchange) => void;
}

export const ExchangeView = memo(function ExchangeView({
  exchange,
  conversation,
  busy,
  onAsk,
  onTakeBack,
}: ExchangeViewProps) {
  const { t } = useTranslation();
  const [editing, setEditing] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const { question, answer } = exchange;
  const under = isRunning(exchange);
  const stopEditing = () => {
    setEditing(false);
    // After the button is back.
    setTimeout(() => editButton.current?.focus());
  };
  return (
    <li className={styles["exchange"]} aria-busy={under}>
      {question !== null && (
        <article className={styles["question"]} aria-label={t("chat.you")}>
          {editing ? (
            <Edit
              text={question}
              onCancel={stopEditing}
              onDone={(text) => {
                setEditing(false);
                onAsk(exchange, text);
              }}
            />
          ) : (
            <>
              <p className={styles["words"]}>{question}</p>
              {!busy && isSettled(exchange) && (
                <IconButton ref={editButton} label={t("chat.edit")} onClick={() => setEditing(true)}>
                  <Pencil size={16} aria-hidden />
                </IconButton>
              )}
            </>
          )}
        </article>
      )}
      <article className={styles["answer"]} aria-label={t("chat.answer")}>
        {under && answer === "" && <Waiting exchange={exchange} />}
        {answer !== "" && (
          <Suspense fallback={<p className={styles["words"]}>{answer}</p>}>
            <Markdown answer={answer} citations={exchange.citations} memories={exchange.memories} />
          </Suspense>
        )}
        <Ending
          exchange={exchange}
          onAgain={() => question !== null && onAsk(exchange, question)}
          onTakeBack={() => onTakeBack(exchange)}
        />
        <Given exchange={exchange} />
        {!under && answer !== "" && (
          <footer className={styles["footer"]}>
            <CopyButton label={t("chat.copyAnswer")} text={() => answer} />
            {question !== null && !busy && isSettled(exchange) && (
              <IconButton label={t("chat.regenerate")} onClick={() => onAsk(exchange, question)}>
                <RotateCcw size={16} aria-hidden />
              </IconButton>
            )}
            <Facts exchange={exchange} />
          </footer>
        )}
        {conversation !== null && exchange.stored && (
          <Proposals conversation={conversation} proposals={exchange.proposals} />
        )}
      </article>
    </li>
  );
});

function Waiting({ exchange }: { exchange: Exchange }) {
  const { t } = useTranslation();
  return (
    <p className={styles["waiting"]}>
      <span className={styles["pulse"]} aria-hidden />
      {t(exchange.memories === null ? "chat.searching" : "chat.thinking")}
    </p>
  );
}

function Facts({ exchange: { model, cost, state } }: { exchange: Exchange }) {
  const { t, i18n } = useTranslation();
  const amount = cost !== null && cost > 0 && money(cost, i18n.language);
  // Of an answer that did not come to its end, nobody was told what it cost.
  const estimated = state === "stopped" || state === "failed";
  return (
    <span className={styles["facts"]}>
      {[model !== null && modelName(model), amount && (estimated ? t("chat.about", { amount }) : amount)]
        .filter(Boolean)
        .join(" · ")}
    </span>
  );
}

interface EditProps {
  text: string;
  onCancel: () => void;
  onDone: (text: string) => void;
}

function Edit({ text, onCancel, onDone }: EditProps) {
  const { t } = useTranslation();
  const [edited, setEdited] = useState(text);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus(), []);
  const done = () => edited.trim() !== "" && onDone(edited.trim());
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onCancel();
    else if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) done();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className={styles["edit"]}>
      <textarea
        ref={box}
        aria-label={t("chat.editLabel")}
        rows={3}
        value={edited}
        onChange={(event) => setEdited(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <p className={styles["hint"]}>{t("chat.editHint")}</p>
      <div className={styles["actions"]}>
        <Button small look="quiet" onClick={onCancel}>
          {t("chat.cancel")}
        </Button>
        <Button small look="primary" onClick={done}>
          {t("chat.send")}
        </Button>
      </div>
    </div>
  );
}
