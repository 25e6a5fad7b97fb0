/** Memories by when they happened: a month as a calendar, a year as a timeline. */

import { useQuery } from "@tanstack/react-query";
import { CalendarHeart, ChevronLeft, ChevronRight } from "lucide-react";
import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { data, type Api } from "../api/client";
import { KEYS, type FeedItem, type Filter, type Memory } from "../memories/cache";
import { day as dayText, month as monthText, weekday, weekdays } from "../memories/dates";
import Feed from "../memories/feed";
import { asked } from "../memories/queries";
import { SEARCH } from "../remember/quick-remember";
import { useServices } from "../services";
import { Button, IconButton } from "../ui/button";
import { EmptyState } from "../ui/empty-state";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import type { Look } from "./address";
import styles from "./by-time.module.css";
import { byDay, monthName, moved, periodOf, weeksOf, yearName, type Day, type Period } from "./months";

interface ByTimeProps {
  look: Look;
  onLook: (changes: Partial<Look>) => void;
}

/** Read every page of one list. */
async function readAll(api: Api, query: object, signal: AbortSignal): Promise<Memory[]> {
  const found: Memory[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: Memory[]; nextCursor: string | null } = await data(
      api.GET("/v1/memories", {
        params: { query: { ...query, limit: 100, ...(cursor !== null && { cursor }) } },
        signal,
      }),
    );
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

/** What happened in a period, and what was written in it without a day of its own. */
function usePeriod({ start, end }: Period, filter: Filter) {
  const { api } = useServices();
  const [after, before] = [start.toISOString(), end.toISOString()];
  return useQuery({
    queryKey: [...KEYS.range(after, before), filter],
    queryFn: async ({ signal }) => {
      const rest = asked({ ...filter, after: null, before: null });
      const [happened, written] = await Promise.all([
        readAll(api, { ...rest, occurredAfter: after, occurredBefore: before }, signal),
        readAll(api, { ...rest, createdAfter: after, createdBefore: before }, signal),
      ]);
      return [...happened, ...written.filter((memory) => memory.occurredAt === null)];
    },
  });
}

export default function ByTime({ look, onLook }: ByTimeProps) {
  const { t, i18n } = useTranslation();
  const calendar = look.view === "calendar";
  const present = calendar ? monthName(new Date()) : yearName(new Date().getFullYear());
  const name = look.period?.includes("-") === calendar ? look.period : present;
  const period = periodOf(name);
  const [day, setDay] = useState<Date | null>(null);
  const { data: memories, error, isPending, refetch } = usePeriod(period, look.filter);
  const days = useMemo(() => byDay(memories ?? []), [memories]);
  const shown = useMemo(
    () => (day === null ? days : days.filter(([date]) => date.getTime() === day.getTime())),
    [days, day],
  );
  const go = (steps: number) => {
    setDay(null);
    onLook({ period: moved(name, steps) });
  };
  const title = calendar ? monthText(period.start, i18n.language) : name;
  return (
    <>
      <div className={styles["header"]}>
        <IconButton label={t("recall.earlier")} onClick={() => go(-1)}>
          <ChevronLeft aria-hidden />
        </IconButton>
        <h2 aria-live="polite">{title}</h2>
        <IconButton label={t("recall.later")} onClick={() => go(1)}>
          <ChevronRight aria-hidden />
        </IconButton>
        <label className={styles["jump"]}>
          <span className="visually-hidden">{t("recall.goTo")}</span>
          <input
            type={calendar ? "month" : "number"}
            min={calendar ? undefined : 1}
            max={calendar ? undefined : 9999}
            value={calendar ? name : Number(name)}
            onChange={({ target }) => {
              const wanted = calendar ? target.value : yearName(Number(target.value));
              if (target.value !== "" && Number(target.value.slice(0, 4)) > 0) onLook({ period: wanted });
              setDay(null);
            }}
          />
        </label>
      </div>
      {calendar && (
        <Month
          key={name}
          name={name}
          counts={new Map(days.map(([date, those]) => [date.getTime(), those.length]))}
          chosen={day}
          onChoose={(date) => setDay(day?.getTime() === date.getTime() ? null : date)}
        />
      )}
      {error && <Failure error={error} retry={() => void refetch()} />}
      {isPending && <Loading />}
      {memories && shown.length === 0 && (
        <EmptyState
          icon={<CalendarHeart />}
          title={t(day === null ? "recall.nothingThen" : "recall.nothingThatDay")}
        >
          {t("recall.nothingThenText")}
        </EmptyState>
      )}
      {day !== null && (
        <Button small look="quiet" onClick={() => setDay(null)}>
          {t("recall.wholeMonth")}
        </Button>
      )}
      <Days
        key={`days of ${name}`}
        days={shown}
        withMonths={!calendar}
        label={day === null ? title : dayText(day, i18n.language)}
      />
    </>
  );
}

/** Memories under their days, and in a year under its months. */
function Days({ days, withMonths, label }: DaysProps) {
  const { i18n } = useTranslation();
  const { items, headings } = useMemo(() => {
    const items: FeedItem[] = [];
    const headings = new Map<number, { date: Date; newMonth: boolean }>();
    let month = -1;
    for (const [date, memories] of days) {
      headings.set(items.length, { date, newMonth: withMonths && date.getMonth() !== month });
      month = date.getMonth();
      for (const memory of memories) items.push({ memory });
    }
    return { items, headings };
  }, [days, withMonths]);
  const heading = (index: number) => {
    const found = headings.get(index);
    return (
      found && (
        <>
          {found.newMonth && <h3 className={styles["month"]}>{monthText(found.date, i18n.language)}</h3>}
          <h4 className={styles["date"]}>{weekday(found.date, i18n.language)}</h4>
        </>
      )
    );
  };
  if (items.length === 0) return null;
  return <Feed label={label} items={items} fallback={SEARCH} heading={heading} />;
}

interface DaysProps {
  days: readonly Day[];
  withMonths: boolean;
  label: string;
}

interface MonthProps {
  name: string;
  /** Memories of each day, by the milliseconds of its start. */
  counts: ReadonlyMap<number, number>;
  chosen: Date | null;
  onChoose: (day: Date) => void;
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

/** A month as a grid (WAI-ARIA): one day takes part in the tab order, arrow keys go on from there. */
function Month({ name, counts, chosen, onChoose }: MonthProps) {
  const { t, i18n } = useTranslation();
  const weeks = weeksOf(name);
  const grid = useRef<HTMLTableElement>(null);
  const [focused, setFocused] = useState(1);
  const short = weekdays(i18n.language, "short");
  const long = weekdays(i18n.language, "long");
  const last = Math.max(...weeks.flat().map((day) => day?.getDate() ?? 0));
  const onKeyDown = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    const to = { Home: 1, End: last }[event.key] ?? (step === undefined ? undefined : focused + step);
    if (to === undefined) return;
    event.preventDefault();
    const date = Math.min(Math.max(to, 1), last);
    setFocused(date);
    grid.current?.querySelector<HTMLElement>(`[data-date="${date}"]`)?.focus();
  };
  return (
    <table
      ref={grid}
      role="grid"
      aria-label={monthText(periodOf(name).start, i18n.language)}
      className={styles["grid"]}
      onKeyDown={onKeyDown}
    >
      <thead>
        <tr>
          {short.map((text, index) => (
            <th key={text} scope="col" abbr={long[index]}>
              {text}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {weeks.map((week, row) => (
          <tr key={row}>
            {week.map((day, column) => {
              if (day === null) return <td key={column} />;
              const count = counts.get(day.getTime()) ?? 0;
              const isChosen = chosen?.getTime() === day.getTime();
              return (
                <td key={column} aria-selected={isChosen}>
                  <button
                    type="button"
                    className={styles["cell"]}
                    data-date={day.getDate()}
                    data-count={Math.min(count, 4)}
                    data-today={day.toDateString() === new Date().toDateString()}
                    tabIndex={day.getDate() === focused ? 0 : -1}
                    aria-pressed={isChosen}
                    onFocus={() => setFocused(day.getDate())}
                    onClick={() => onChoose(day)}
                  >
                    <span className="visually-hidden">
                      {t("recall.day", { day: dayText(day, i18n.language), count })}
                    </span>
                    <span aria-hidden>{day.getDate()}</span>
                    {count > 0 && (
                      <span aria-hidden className={styles["count"]}>
                        {count}
                      </span>
                    )}
                  </button>
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
