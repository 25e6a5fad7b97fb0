/** Where to type what is looked for, and the filters. */

import { CalendarDays, List, Search, SlidersHorizontal, StretchVertical, X } from "lucide-react";
import { lazy, Suspense, useEffect, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { EVERYTHING } from "../memories/cache";
import { SEARCH } from "../remember/quick-remember";
import { Button, IconButton } from "../ui/button";
import { conditions, VIEWS, type Look } from "./address";
import { PAUSE, useSettled } from "./search";
import styles from "./search-bar.module.css";

const Filters = lazy(() => import("./filters"));

const ICONS = { list: List, timeline: StretchVertical, calendar: CalendarDays };

interface SearchBarProps {
  look: Look;
  onLook: (changes: Partial<Look>, replace?: boolean) => void;
}

export function SearchBar({ look, onLook }: SearchBarProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const count = conditions(look.filter);
  return (
    <search className={styles["search"]}>
      <div className={styles["line"]}>
        {/* Another query from outside (Back, a link) starts the field anew; one's own does not. */}
        <QueryField query={look.query} onQuery={(query) => onLook({ query }, look.query !== "")} />
        <Button
          look="quiet"
          aria-expanded={open}
          icon={<SlidersHorizontal size={18} aria-hidden />}
          onClick={() => setOpen(!open)}
        >
          <span className={styles["word"]}>{t("recall.filters")}</span>
          {count > 0 && <span className={styles["count"]}>{count}</span>}
        </Button>
        {look.query === "" && (
          <div role="group" aria-label={t("recall.view")} className={styles["views"]}>
            {VIEWS.map((view) => {
              const Icon = ICONS[view];
              return (
                <IconButton
                  key={view}
                  label={t(`recall.views.${view}`)}
                  aria-pressed={look.view === view}
                  onClick={() => onLook({ view, period: null })}
                >
                  <Icon size={18} aria-hidden />
                </IconButton>
              );
            })}
          </div>
        )}
      </div>
      {open && (
        <Suspense fallback={null}>
          <Filters filter={look.filter} onFilter={(filter) => onLook({ filter })} />
        </Suspense>
      )}
      {count > 0 && !open && (
        <ul aria-label={t("recall.filters")} className={styles["chosen"]}>
          {look.filter.tags.map((tag) => (
            <li key={tag}>
              <Button
                small
                aria-label={t("remember.removeTag", { tag })}
                onClick={() =>
                  onLook({
                    filter: { ...look.filter, tags: look.filter.tags.filter((other) => other !== tag) },
                  })
                }
              >
                #{tag}
                <X size={14} aria-hidden />
              </Button>
            </li>
          ))}
          <li>
            <Button small look="quiet" onClick={() => onLook({ filter: EVERYTHING })}>
              {t("recall.noFilters")}
            </Button>
          </li>
        </ul>
      )}
    </search>
  );
}

function QueryField({ query, onQuery }: { query: string; onQuery: (query: string) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState(query);
  const [sent, setSent] = useState(query);
  const settled = useSettled(text, PAUSE);

  if (query !== sent) {
    // Not from here: Back, or a link.
    setSent(query);
    setText(query);
  }
  useEffect(() => {
    const wanted = settled.trim();
    if (wanted === sent || settled !== text) return;
    // eslint-disable-next-line react-hooks/set-state-in-effect -- the address changes with it, outside of React
    setSent(wanted);
    onQuery(wanted);
  }, [settled, text, sent, onQuery]);

  const clear = () => {
    setText("");
    document.getElementById(SEARCH)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape" && text !== "") {
      event.preventDefault();
      clear();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      document.querySelector<HTMLElement>("[role=feed] article")?.focus();
    }
  };
  return (
    <div className={styles["field"]}>
      <Search size={18} aria-hidden />
      <input
        id={SEARCH}
        type="text"
        role="searchbox"
        enterKeyHint="search"
        autoComplete="off"
        aria-label={t("recall.search")}
        aria-keyshortcuts="/"
        placeholder={t("recall.placeholder")}
        maxLength={2000}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {text !== "" && (
        <IconButton label={t("recall.clear")} onClick={clear}>
          <X size={16} aria-hidden />
        </IconButton>
      )}
    </div>
  );
}
