/** What the app keeps in this browser: settings, drafts, what waits to be sent. It goes when its owner goes. */

/** How the names of drafts begin. Who signs out is asked beforehand what becomes of them and of what was not sent. */
export const DRAFTS = "recall.draft.";

const LONGEST_WAIT = 2_000;

/** Remove settings and marks: all but drafts, and what waits to be sent, where their owner chose to keep them. */
export function forgetSettings(): void {
  localStorage.clear();
  for (const name of Object.keys(sessionStorage))
    if (!name.startsWith(DRAFTS)) sessionStorage.removeItem(name);
}

/**
 * Remove everything that the app keeps in this browser.
 *
 * Connections to databases have to close themselves on `versionchange`, or their database goes only when the page does.
 */
export async function forgetLocalData(): Promise<void> {
  localStorage.clear();
  sessionStorage.clear();
  const databases = await indexedDB.databases();
  await Promise.all(databases.map(({ name }) => deleteDatabase(name ?? "")));
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = request.onerror = () => resolve();
    // A connection that does not close must not keep anybody from leaving.
    setTimeout(resolve, LONGEST_WAIT);
  });
}
