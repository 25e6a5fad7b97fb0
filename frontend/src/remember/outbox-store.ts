/** Memories that wait to be sent, in this browser's IndexedDB: they survive reloads and closed tabs. */

import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { Content } from "./content";

/** One memory that waits. */
export interface Waiting {
  id: string;
  /** Whose it is: the `sub` of the user who wrote it. */
  owner: string;
  /** Milliseconds since 1970; the oldest is sent first. */
  writtenAt: number;
  content: Content;
  /** Why the API refused it, in its own words; null while it waits to be sent. */
  refusal: string | null;
}

interface Schema extends DBSchema {
  outbox: { key: string; value: Waiting; indexes: { owner: [string, number] } };
}

export class OutboxStore {
  private opened: Promise<IDBPDatabase<Schema>> | null = null;

  /** All of a user's, the oldest first. */
  async of(owner: string): Promise<Waiting[]> {
    const range = IDBKeyRange.bound([owner, 0], [owner, Infinity]);
    return (await this.database()).getAllFromIndex("outbox", "owner", range);
  }

  /** Add new ones or replace what is there under their ids. */
  async put(entries: readonly Waiting[]): Promise<void> {
    const transaction = (await this.database()).transaction("outbox", "readwrite");
    await Promise.all([...entries.map((entry) => transaction.store.put(entry)), transaction.done]);
  }

  async remove(ids: readonly string[]): Promise<void> {
    const transaction = (await this.database()).transaction("outbox", "readwrite");
    await Promise.all([...ids.map((id) => transaction.store.delete(id)), transaction.done]);
  }

  private database(): Promise<IDBPDatabase<Schema>> {
    this.opened ??= openDB<Schema>("recall", 1, {
      upgrade(database) {
        const store = database.createObjectStore("outbox", { keyPath: "id" });
        store.createIndex("owner", ["owner", "writtenAt"]);
      },
      // Somebody signs out, here or in another tab: what is kept here has to go.
      blocking: (_, __, event) => {
        (event.target as IDBDatabase).close();
        this.opened = null;
      },
    });
    return this.opened;
  }
}
