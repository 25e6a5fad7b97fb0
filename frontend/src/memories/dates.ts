/** Days as people write them, in the app's language and the browser's time zone. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  // Making one takes longer than a frame has for a long list.
  const key = language + JSON.stringify(options);
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat(language, options);
  formats.set(key, made);
  return made;
}

/** "15 March 2024" */
export function day(moment: string | Date, language: string): string {
  return format(language, { dateStyle: "long" }).format(new Date(moment));
}

/** "Friday 15 March" */
export function weekday(moment: string | Date, language: string): string {
  return format(language, { weekday: "long", day: "numeric", month: "long" }).format(new Date(moment));
}

/** "March 2024" */
export function month(moment: string | Date, language: string): string {
  return format(language, { month: "long", year: "numeric" }).format(new Date(moment));
}

/** "15 March 2024 at 12:30" */
export function moment(at: string | Date, language: string): string {
  return format(language, { dateStyle: "long", timeStyle: "short" }).format(new Date(at));
}

/** "Mo": names of the days of a week, Monday first. */
export function weekdays(language: string, width: "short" | "long"): string[] {
  const monday = new Date(2024, 0, 1);
  return Array.from({ length: 7 }, (_, index) => {
    const date = new Date(monday);
    date.setDate(date.getDate() + index);
    return format(language, { weekday: width }).format(date);
  });
}
