/**
 * A list of memories of any length: only those near the window are in the page.
 *
 * A feed in the sense of WAI-ARIA: Page Up/Down or the arrow keys go from memory to memory. With headings between the
 * memories it is a list of which each item says its number, because a feed may hold nothing but articles.
 */

import { useWindowVirtualizer, defaultRangeExtractor, type Range } from "@tanstack/react-virtual";
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
} from "react";
import { useDelete } from "./actions";
import type { FeedItem, Memory } from "./cache";
import styles from "./feed.module.css";
import { MemoryCard } from "./memory-card";
import { keepPlace, keptPlace, type Place } from "./place";
import { useSelection } from "./selection";

interface FeedProps {
  label: string;
  items: readonly FeedItem[];
  busy?: boolean;
  /** Called when the end comes near. */
  onEnd?: (() => void) | undefined;
  /** The element that takes the focus when the last memory is gone. */
  fallback: string;
  /** What stands above a memory, such as the day that begins with it. */
  heading?: (index: number) => ReactNode;
}

const STEPS: Record<string, number> = { ArrowDown: 1, PageDown: 1, ArrowUp: -1, PageUp: -1 };
/** So many memories before the end, the next page is asked for. */
const AHEAD = 60;

export default function Feed({ label, items, busy = false, onEnd, fallback, heading }: FeedProps) {
  const remove = useDelete();
  const { selected, toggle } = useSelection();
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  const [place] = useState(keptPlace);
  const returned = useRef(false);
  // The one with the focus stays in the page wherever it is scrolled to: focus is never lost.
  const [active, setActive] = useState(place?.memory ?? null);
  /** Which memory takes the focus, as soon as no more than `most` are there. */
  const wanted = useRef<{ index: number; most: number } | null>(null);
  const indexOf = (id: string | null) =>
    id === null ? -1 : items.findIndex(({ memory }) => memory.id === id);

  useLayoutEffect(() => {
    // What stands above the list may grow at any time.
    const observer = new ResizeObserver(() => setMargin(list.current?.offsetTop ?? 0));
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  // The same function while the memories are the same: the virtualizer knows by it whether to begin anew.
  const getItemKey = useCallback((index: number) => items[index]?.memory.id ?? index, [items]);
  const virtualizer = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => 104,
    getItemKey,
    overscan: 6,
    gap: 8,
    scrollMargin: margin,
    rangeExtractor: (range: Range) => {
      const shown = defaultRangeExtractor(range);
      const index = indexOf(active);
      return index < 0 || shown.includes(index) ? shown : [...shown, index].sort((one, other) => one - other);
    },
  });
  const rows = virtualizer.getVirtualItems();
  const last = rows.at(-1)?.index ?? 0;

  // Back to where the list was left, as soon as the memory that was in sight is in the page.
  useLayoutEffect(() => {
    if (returned.current || place === null || list.current === null) return;
    const index = indexOf(place.memory);
    const card = cardAt(list.current, index);
    const start = virtualizer.measurementsCache[index]?.start;
    if (card === null || start === undefined) return;
    returned.current = true;
    window.scrollTo({ top: list.current.offsetTop + start - virtualizer.options.scrollMargin - place.top });
    card.focus({ preventScroll: true });
  });

  const { isScrolling } = virtualizer;
  useEffect(() => {
    if (!isScrolling && list.current !== null) keepPlace(placeOf(list.current));
  }, [isScrolling]);

  useEffect(() => {
    if (last >= items.length - AHEAD) onEnd?.();
  }, [last, items.length, onEnd]);

  useEffect(() => {
    if (wanted.current === null || items.length > wanted.current.most) return;
    const card = list.current && cardAt(list.current, Math.min(wanted.current.index, items.length - 1));
    if (card === null) return;
    wanted.current = null;
    card.focus();
  });

  const onKeyDown = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    const { target } = event;
    if (step === undefined || !(target instanceof HTMLElement) || target.tagName !== "ARTICLE") return;
    const index = Number(target.parentElement?.dataset["index"]) + step;
    const next = items[index];
    if (next === undefined) return;
    event.preventDefault();
    setActive(next.memory.id);
    virtualizer.scrollToIndex(index, { align: "auto" });
    wanted.current = { index, most: items.length };
  };

  const onDelete = useCallback(
    (memory: Memory) => {
      const index = items.findIndex((item) => item.memory.id === memory.id);
      const next = items[index + 1] ?? items[index - 1];
      remove([memory]);
      if (next === undefined) {
        document.getElementById(fallback)?.focus();
        return;
      }
      setActive(next.memory.id);
      wanted.current = { index, most: items.length - 1 };
    },
    [items, remove, fallback],
  );

  const isList = heading !== undefined;
  return (
    // Keys are those of the articles in it, which bubble up to here.
    <div
      ref={list}
      role={isList ? "list" : "feed"}
      aria-label={label}
      aria-busy={busy}
      className={styles["feed"]}
      data-headed={isList}
      style={{ height: virtualizer.getTotalSize() }}
      onKeyDown={onKeyDown}
    >
      {rows.map(({ index, key, start }) => {
        const item = items[index];
        return (
          item && (
            <div
              key={key}
              ref={virtualizer.measureElement}
              data-index={index}
              className={styles["row"]}
              style={{ transform: `translateY(${start - margin}px)` }}
              onFocus={() => setActive(item.memory.id)}
              {...(isList && { role: "listitem", "aria-posinset": index + 1, "aria-setsize": items.length })}
            >
              {heading?.(index)}
              <MemoryCard
                memory={item.memory}
                {...(item.explanation && { explanation: item.explanation })}
                selected={selected.has(item.memory.id)}
                selecting={selected.size > 0}
                onSelect={toggle}
                onDelete={onDelete}
                {...(!isList && { position: index + 1 })}
              />
            </div>
          )
        );
      })}
    </div>
  );
}

function cardAt(list: HTMLElement, index: number): HTMLElement | null {
  return list.querySelector(`[data-index="${index}"] article`);
}

/** The memory in sight by which a list is found again: the one with the focus, else the first; none at the page's top. */
function placeOf(list: HTMLElement): Place | null {
  if (window.scrollY === 0) return null;
  const cards = [...list.querySelectorAll<HTMLElement>("article[data-memory]")].filter((card) => {
    const { top, bottom } = card.getBoundingClientRect();
    return bottom > 0 && top < window.innerHeight;
  });
  const card = cards.find((one) => one.contains(document.activeElement)) ?? cards[0];
  const id = card?.dataset["memory"];
  const row = card?.parentElement;
  return id === undefined || !row ? null : { memory: id, top: row.getBoundingClientRect().top };
}
