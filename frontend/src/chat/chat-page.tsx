/** Talking to models that remember: one conversation, and the way to the others. */

import {
  ArrowDown,
  Compass,
  EllipsisVertical,
  Glasses,
  History,
  MessageCircle,
  SquarePen,
} from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useParams } from "wouter";
import { useDrafts } from "../drafts";
import { Page } from "../layout/page";
import { useServices } from "../services";
import { Button, IconButton } from "../ui/button";
import { EmptyState } from "../ui/empty-state";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { money } from "../ui/money";
import { Notice } from "../ui/notice";
import { OnDemand } from "../ui/on-demand";
import { Announcer } from "./announcer";
import styles from "./chat-page.module.css";
import { Composer } from "./composer";
import { ConversationList } from "./conversation-list";
import type { Exchange } from "./exchange";
import { ExchangeView } from "./exchange-view";
import { keepModel, keptModel } from "./models";
import { Options } from "./options";
import { INCOGNITO, NEW, typedDraft, type Choice } from "./talks";
import { useFollowing, useStayInPlace } from "./use-following";
import { useTalk } from "./use-talk";
import { useTyped } from "./use-typed";

const ConversationMenu = lazy(() => import("./conversation-menu"));
const ListDialog = lazy(() => import("./list-dialog"));
const RenameDialog = lazy(() =>
  import("./conversation-dialogs").then(({ RenameDialog }) => ({ default: RenameDialog })),
);
const DeleteDialog = lazy(() =>
  import("./conversation-dialogs").then(({ DeleteDialog }) => ({ default: DeleteDialog })),
);

export default function ChatPage() {
  const { t } = useTranslation();
  const { conversation } = useParams<{ conversation?: string }>();
  const place = conversation ?? NEW;
  const [, navigate] = useLocation();
  const talk = useTalk(place);
  const { talks, exchanges, messages, live, stop } = talk;
  const [text, setText] = useTyped(place);
  const [choice, setChoice] = useChoice();
  const [listed, setListed] = useState(false);
  const drafts = useDrafts();
  const box = useRef<HTMLTextAreaElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const here = useRef<string | null>(null);
  const [away, follow] = useFollowing(content, place);
  useStayInPlace(exchanges[0]?.key, place);
  const incognito = place === INCOGNITO;

  useEffect(() => {
    here.current = place;
    return () => {
      here.current = null;
    };
  }, [place]);

  const ask = useCallback(
    (question: string, replaces: string | null = null) => {
      const begun = (id: string) => {
        if (here.current !== place) return;
        drafts.keep(typedDraft(id), drafts.read(typedDraft(place)));
        drafts.keep(typedDraft(place), null);
        navigate(`/chat/${id}`, { replace: true });
      };
      void talks.ask(place, question, choice, { replaces, begun });
      follow();
    },
    [talks, place, choice, follow, navigate, drafts],
  );
  const askAnew = useCallback(
    (exchange: Exchange, question: string) => {
      if (exchange.stored) {
        ask(question, exchange.messageId);
        return;
      }
      const replaces = talks.of(place).find(({ key }) => key === exchange.key)?.replaces ?? null;
      talks.dismiss(place, exchange.key);
      ask(question, replaces);
      box.current?.focus();
    },
    [ask, talks, place],
  );
  const takeBack = useCallback(
    (exchange: Exchange) => {
      talks.dismiss(place, exchange.key);
      setText([text, exchange.question].filter(Boolean).join("\n"));
      box.current?.focus();
    },
    [talks, place, text, setText],
  );
  const send = () => {
    setText("");
    ask(text.trim());
  };
  const suggest = (question: string) => {
    setText(question);
    box.current?.focus();
  };

  const title = incognito ? t("chat.incognito.title") : (talk.title ?? t("chat.title"));
  const loading = messages.isLoading && exchanges.length === 0;
  const unread = messages.error !== null && !messages.data && exchanges.length === 0 && !talk.missing;
  return (
    <div className={styles["chat"]} data-incognito={incognito || undefined}>
      <aside className={styles["aside"]}>
        <ConversationList open={place} />
      </aside>
      <div className={styles["main"]}>
        <Page
          title={title}
          actions={
            <Actions
              place={place}
              title={talk.title}
              onList={() => setListed(true)}
              onEndIncognito={() => talks.clear(INCOGNITO)}
              onDeleted={() => {
                stop();
                navigate("/chat");
                box.current?.focus();
              }}
            />
          }
        >
          <div className={styles["talk"]}>
            <div ref={content} className={styles["content"]}>
              {incognito && (
                <Notice title={t("chat.incognito.heading")}>
                  <p>{t("chat.incognito.text")}</p>
                </Notice>
              )}
              {loading && <Loading />}
              {unread && <Failure error={messages.error} retry={() => void messages.refetch()} />}
              {talk.missing && <Missing />}
              {!loading && !unread && !talk.missing && exchanges.length === 0 && (
                <Beginning incognito={incognito} onSuggest={suggest} />
              )}
              {messages.hasNextPage && (
                <Older
                  busy={messages.isFetchingNextPage}
                  failed={messages.isFetchNextPageError}
                  onLoad={() => void messages.fetchNextPage()}
                />
              )}
              <ol className={styles["exchanges"]} aria-label={t("chat.log")}>
                {exchanges.map((exchange) => (
                  <ExchangeView
                    key={exchange.key}
                    exchange={exchange}
                    conversation={incognito ? null : place}
                    busy={live !== undefined}
                    onAsk={askAnew}
                    onTakeBack={takeBack}
                  />
                ))}
              </ol>
            </div>
            <Announcer last={exchanges.at(-1)} />
            <div className={styles["dock"]}>
              {away && exchanges.length > 0 && (
                <Button
                  small
                  className={styles["newest"] ?? ""}
                  icon={<ArrowDown size={16} aria-hidden />}
                  onClick={() => {
                    follow();
                    box.current?.focus();
                  }}
                >
                  {t("chat.toNewest")}
                </Button>
              )}
              <Composer
                box={box}
                text={text}
                onText={setText}
                busy={live !== undefined}
                onSend={send}
                onStop={stop}
              >
                <Options choice={choice} onChange={setChoice} />
                <Cost exchanges={exchanges} whole={!messages.hasNextPage} />
              </Composer>
            </div>
          </div>
        </Page>
      </div>
      {listed && (
        <Suspense>
          <ListDialog place={place} onClose={() => setListed(false)} />
        </Suspense>
      )}
    </div>
  );
}

/** How to answer; the model is remembered in this browser, that no memories are used is not. */
function useChoice(): [Choice, (choice: Choice) => void] {
  const { configuration } = useServices();
  const [choice, setChoice] = useState<Choice>(() => ({
    model: keptModel(localStorage, configuration.models),
    memory: true,
  }));
  const change = (chosen: Choice) => {
    if (chosen.model !== null) keepModel(localStorage, chosen.model);
    setChoice(chosen);
  };
  return [choice, change];
}

interface ActionsProps {
  place: string;
  title: string | null;
  onList: () => void;
  onEndIncognito: () => void;
  onDeleted: () => void;
}

function Actions({ place, title, onList, onEndIncognito, onDeleted }: ActionsProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<"rename" | "delete" | null>(null);
  const close = () => setOpen(null);
  return (
    <>
      <IconButton label={t("chat.conversations")} className={styles["narrow"]} onClick={onList}>
        <History size={20} aria-hidden />
      </IconButton>
      {place === INCOGNITO ? (
        <Link href="/chat" className={styles["end"]} onClick={onEndIncognito}>
          {t("chat.incognito.end")}
        </Link>
      ) : (
        <Link
          href="/chat/incognito"
          className={styles["icon"]}
          aria-label={t("chat.incognito.begin")}
          title={t("chat.incognito.begin")}
        >
          <Glasses size={20} aria-hidden />
        </Link>
      )}
      {place !== NEW && place !== INCOGNITO && (
        <Link
          href="/chat"
          className={styles["icon"]}
          aria-label={t("chat.newChat")}
          title={t("chat.newChat")}
        >
          <SquarePen size={20} aria-hidden />
        </Link>
      )}
      {title !== null && (
        <OnDemand
          button={(open) => (
            <IconButton
              label={t("chat.menu")}
              className={styles["icon"]}
              aria-haspopup="menu"
              aria-expanded={false}
              onClick={open}
            >
              <EllipsisVertical size={20} aria-hidden />
            </IconButton>
          )}
        >
          <ConversationMenu onRename={() => setOpen("rename")} onDelete={() => setOpen("delete")} />
        </OnDemand>
      )}
      <Suspense>
        {open === "rename" && title !== null && (
          <RenameDialog conversation={place} title={title} onClose={close} />
        )}
        {open === "delete" && title !== null && (
          <DeleteDialog
            conversation={place}
            title={title}
            onClose={close}
            onDeleted={() => {
              close();
              onDeleted();
            }}
          />
        )}
      </Suspense>
    </>
  );
}

function Beginning({ incognito, onSuggest }: { incognito: boolean; onSuggest: (question: string) => void }) {
  const { t } = useTranslation();
  const examples = [t("chat.empty.example1"), t("chat.empty.example2"), t("chat.empty.example3")];
  return (
    <EmptyState
      icon={incognito ? <Glasses /> : <MessageCircle />}
      title={t("chat.empty.title")}
      actions={examples.map((example) => (
        <Button key={example} className={styles["example"] ?? ""} onClick={() => onSuggest(example)}>
          {example}
        </Button>
      ))}
    >
      {t("chat.empty.text")}
    </EmptyState>
  );
}

function Missing() {
  const { t } = useTranslation();
  return (
    <EmptyState
      icon={<Compass />}
      title={t("chat.missing")}
      actions={<Link href="/chat">{t("chat.newChat")}</Link>}
    >
      {t("chat.missingText")}
    </EmptyState>
  );
}

/** Loads what was said before when it comes into sight. */
function Older({ busy, failed, onLoad }: { busy: boolean; failed: boolean; onLoad: () => void }) {
  const { t } = useTranslation();
  const place = useRef<HTMLDivElement>(null);
  const load = useRef(onLoad);
  useEffect(() => {
    load.current = onLoad;
  });
  useEffect(() => {
    const element = place.current;
    if (element === null || busy || failed) return;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting === true) load.current();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [busy, failed]);
  return (
    <div ref={place} className={styles["older"]}>
      <Button small look="quiet" busy={busy} onClick={onLoad}>
        {t(failed ? "chat.olderAgain" : "chat.older")}
      </Button>
    </div>
  );
}

function Cost({ exchanges, whole }: { exchanges: readonly Exchange[]; whole: boolean }) {
  const { t, i18n } = useTranslation();
  const cost = exchanges.reduce((sum, exchange) => sum + (exchange.cost ?? 0), 0);
  if (cost === 0) return null;
  // What a stopped answer cost is known when the API has kept it; of incognito ones it keeps nothing.
  const known = whole && exchanges.every((exchange) => exchange.cost !== null || exchange.answer === "");
  const amount = money(cost, i18n.language);
  return <span className={styles["cost"]}>{t(known ? "chat.cost" : "chat.costAtLeast", { amount })}</span>;
}
