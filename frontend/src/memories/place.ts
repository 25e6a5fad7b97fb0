/** Where a list was left: kept with the page's entry in the browser's history, so that Back finds it again. */

/** A memory that was in sight, and how far below the window's upper edge its row began, in pixels. */
export interface Place {
  memory: string;
  top: number;
}

/** What the history keeps of an entry; other parts may be there too. */
interface Entry {
  place?: Place | null;
}

const entry = () => window.history.state as Entry | null;

/** Where the list of the present entry was left; null is at its beginning. */
export function keptPlace(): Place | null {
  return entry()?.place ?? null;
}

/** Keep where the list of the present entry is. */
export function keepPlace(place: Place | null): void {
  if (place === null && keptPlace() === null) return;
  window.history.replaceState({ ...entry(), place }, "");
}
