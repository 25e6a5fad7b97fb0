/** All conversations, with a search over their titles. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import styles from "./conversation-list.module.css";
import { listQuery } from "./messages";

interface ConversationListProps {
  /** The one that is open. */
  open: string;
  onChoose?: () => void;
}

export function ConversationList({ open, onChoose }: ConversationListProps) {
  const { t, i18n } = useTranslation();
  const { api } = useServices();
  const [sought, setSought] = useState("");
  const list = useInfiniteQuery(listQuery(api));
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = list;
  const searching = sought.trim() !== "";

  // A search is over all titles: the rest of them is read for it.
  useEffect(() => {
    if (searching && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [searching, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);

  const all = list.data?.pages.flatMap((page) => page.items) ?? [];
  const words = sought.toLocaleLowerCase(i18n.language).split(/\s+/);
  const found = all.filter(({ title }) =>
    words.every((word) => title.toLocaleLowerCase(i18n.language).includes(word)),
  );
  const dates = new Intl.DateTimeFormat(i18n.language, { day: "numeric", month: "short" });
  return (
    <section aria-label={t("chat.conversations")} className={styles["list"]}>
      {all.length > 0 && (
        <label className={styles["search"]}>
          <Search size={16} aria-hidden />
          <span className="visually-hidden">{t("chat.searchTitles")}</span>
          <input
            type="search"
            placeholder={t("chat.searchTitles")}
            value={sought}
            onChange={(event) => setSought(event.target.value)}
          />
        </label>
      )}
      <p role="status" className="visually-hidden">
        {searching && !hasNextPage && t("chat.found", { count: found.length })}
      </p>
      {list.isPending && <Loading />}
      {list.error && <Failure error={list.error} retry={() => void list.refetch()} />}
      <ul className={styles["items"]}>
        {found.map(({ id, title, createdAt }) => (
          <li key={id}>
            <Link
              href={`/chat/${id}`}
              className={styles["item"]}
              aria-current={id === open ? "page" : undefined}
              {...(onChoose && { onClick: onChoose })}
            >
              <span className={styles["title"]}>{title}</span>
              <time dateTime={createdAt}>{dates.format(new Date(createdAt))}</time>
            </Link>
          </li>
        ))}
      </ul>
      {list.isSuccess && found.length === 0 && !hasNextPage && (
        <p className={styles["none"]}>{t(searching ? "chat.noneFound" : "chat.noConversations")}</p>
      )}
      {hasNextPage && !searching && (
        <Button small busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {t("chat.more")}
        </Button>
      )}
    </section>
  );
}
