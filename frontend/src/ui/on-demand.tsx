import { startTransition, Suspense, useState, type ReactNode } from "react";

interface OnDemandProps {
  /** What is shown until then; calls `open` when it is pressed. */
  button: (open: () => void) => ReactNode;
  /** A lazy component: the same button with what it opens, open from the start. */
  children: ReactNode;
}

/** A button whose menu or popover is loaded when it is first pressed. */
export function OnDemand({ button, children }: OnDemandProps) {
  const [wanted, setWanted] = useState(false);
  // In a transition the button stays, and the focus on it, until the rest has arrived.
  return <Suspense>{wanted ? children : button(() => startTransition(() => setWanted(true)))}</Suspense>;
}
