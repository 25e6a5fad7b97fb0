/** Which memories are chosen, for what is done to many at once. */

import { createContext, use, useCallback, useMemo, useState, type ReactNode } from "react";
import type { Memory } from "./cache";

interface Selection {
  selected: ReadonlyMap<string, Memory>;
  toggle: (memory: Memory) => void;
  clear: () => void;
}

const SelectionContext = createContext<Selection | null>(null);

export function SelectionProvider({ children }: { children: ReactNode }) {
  const [selected, setSelected] = useState<ReadonlyMap<string, Memory>>(new Map());
  const toggle = useCallback(
    (memory: Memory) =>
      setSelected((before) => {
        const after = new Map(before);
        if (!after.delete(memory.id)) after.set(memory.id, memory);
        return after;
      }),
    [],
  );
  const clear = useCallback(() => setSelected(new Map()), []);
  const value = useMemo(() => ({ selected, toggle, clear }), [selected, toggle, clear]);
  return <SelectionContext value={value}>{children}</SelectionContext>;
}

/** What is chosen. Throws outside of `SelectionProvider`. */
export function useSelection(): Selection {
  const selection = use(SelectionContext);
  if (selection === null) throw new Error("no selection: a component stands outside of SelectionProvider");
  return selection;
}
