/** Answers of the API into files, as they come: where the browser lets us, straight to the disk. */

import { problemOf, UnreachableError } from "../api/problems";

/** Where the parts of a file go. */
interface Target {
  write(part: Uint8Array<ArrayBuffer>): Promise<void> | void;
  /** Make the file whole. */
  close(): Promise<void> | void;
  /** Leave nothing behind. */
  abort(): Promise<void> | void;
}

interface Picker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

/**
 * Save what an address answers as a file.
 *
 * `onProgress` is told how many bytes have come. Returns false when the user chose no place for the file. Throws
 * `ProblemError` for a refusal and `UnreachableError` for an answer that broke off: no half file is left.
 */
export async function download(
  fetch: typeof globalThis.fetch,
  address: string,
  name: string,
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const target = await choose(name);
  if (target === null) return false;
  try {
    const response = await fetch(address, { signal });
    if (!response.ok || response.body === null) throw await problemOf(response);
    const reader = response.body.getReader();
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        if (signal.aborted) throw error;
        throw new UnreachableError(error);
      });
      if (done) break;
      await target.write(value);
      onProgress((bytes += value.byteLength));
    }
  } catch (error) {
    await target.abort();
    throw error;
  }
  await target.close();
  return true;
}

/** Save a text that is at hand. */
export function saveText(text: string, name: string): void {
  offer(new Blob([text]), name);
}

async function choose(name: string): Promise<Target | null> {
  const { showSaveFilePicker } = window as Picker;
  if (showSaveFilePicker === undefined) return collected(name);
  try {
    const handle = await showSaveFilePicker.call(window, { suggestedName: name });
    return await handle.createWritable();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    throw error;
  }
}

/** Browsers that let no page write to a file of the user's choice get it whole, as a download. */
function collected(name: string): Target {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  return {
    write: (part) => void parts.push(part),
    close: () => offer(new Blob(parts), name),
    abort: () => void parts.splice(0),
  };
}

function offer(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The download has begun by then, and holds the file itself.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
