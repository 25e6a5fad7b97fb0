/** Whether the tour was gone through or skipped in this browser. */

const ENDED = "recall.tour";

/** Remember that the tour need not be shown any more. */
export function endTour(storage: Storage): void {
  storage.setItem(ENDED, "ended");
}

/** Whether it need not be shown any more. */
export function hasEnded(storage: Storage): boolean {
  return storage.getItem(ENDED) !== null;
}
