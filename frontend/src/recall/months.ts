/** Months and years as plain numbers, in the user's time zone. */

import type { Memory } from "../memories/cache";

export interface Period {
  start: Date;
  /** The moment after it. */
  end: Date;
}

/** The month (`2024-03`) or year (`2024`) that a name says. */
export function periodOf(name: string): Period {
  const [year = 0, month] = name.split("-").map(Number);
  return month === undefined
    ? { start: new Date(year, 0, 1), end: new Date(year + 1, 0, 1) }
    : { start: new Date(year, month - 1, 1), end: new Date(year, month, 1) };
}

/** The name of the period of the same length that lies `steps` further. */
export function moved(name: string, steps: number): string {
  const { start } = periodOf(name);
  if (!name.includes("-")) return yearName(start.getFullYear() + steps);
  return monthName(new Date(start.getFullYear(), start.getMonth() + steps, 1));
}

export function monthName(date: Date): string {
  return `${yearName(date.getFullYear())}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}

export function yearName(year: number): string {
  return String(year).padStart(4, "0");
}

/** When a memory happened; else when it was written. */
function timeOf(memory: Memory): Date {
  return new Date(memory.occurredAt ?? memory.createdAt);
}

/** The weeks of a month, Monday first; null outside of the month. */
export function weeksOf(name: string): (Date | null)[][] {
  const { start, end } = periodOf(name);
  const before = (start.getDay() + 6) % 7;
  const days: (Date | null)[] = Array.from({ length: before }, () => null);
  for (let day = start; day < end; day = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1))
    days.push(day);
  while (days.length % 7 !== 0) days.push(null);
  return Array.from({ length: days.length / 7 }, (_, week) => days.slice(week * 7, week * 7 + 7));
}

/** A day's start, and its memories. */
export type Day = [Date, Memory[]];

/** Memories by the start of their day, the latest day first. */
export function byDay(memories: readonly Memory[]): Day[] {
  const days = new Map<number, Memory[]>();
  for (const memory of memories) {
    const day = timeOf(memory).setHours(0, 0, 0, 0);
    const those = days.get(day);
    if (those === undefined) days.set(day, [memory]);
    else those.push(memory);
  }
  return [...days].sort(([one], [other]) => other - one).map(([day, those]) => [new Date(day), those]);
}
