import type { Schema } from "../api/client";

/** What a memory says, and what belongs to it. */
export type Content = Required<Schema["MemoryCreate"]>;

/** A memory that says nothing yet. */
export const BLANK: Content = { text: "", tags: [], occurredAt: null, pinned: false, neverSendTo: [] };
