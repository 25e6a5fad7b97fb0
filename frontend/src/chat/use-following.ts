/** Keeps the end of a growing page in sight, until the user scrolls away from it. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

/** How near to the end counts as being there. */
const NEAR_PIXELS = 120;

function distance(): number {
  const { scrollHeight, clientHeight } = document.documentElement;
  return scrollHeight - clientHeight - window.scrollY;
}

function toEnd(): void {
  window.scrollTo({ top: document.documentElement.scrollHeight });
}

/** Returns whether the end is out of sight, and how to go there. A change of `place` goes there. */
export function useFollowing(content: RefObject<HTMLElement | null>, place: string): [boolean, () => void] {
  const following = useRef(true);
  const last = useRef(0);
  const [away, setAway] = useState(false);

  const follow = useCallback(() => {
    following.current = true;
    setAway(false);
    toEnd();
  }, []);

  useEffect(() => {
    const onScroll = () => {
      const up = window.scrollY < last.current;
      last.current = window.scrollY;
      const near = distance() < NEAR_PIXELS;
      // Content that grows moves the end away: only the user's own scrolling up stops following.
      if (near) following.current = true;
      else if (up) following.current = false;
      setAway(!near && !following.current);
    };
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, []);

  useEffect(() => {
    const element = content.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [content]);

  useLayoutEffect(() => {
    following.current = true;
    toEnd();
  }, [place]);

  return [away, follow];
}

/** Keeps what is in sight where it is when something comes above it: `first` names the topmost part. */
export function useStayInPlace(first: string | undefined, place: string): void {
  const before = useRef({ first, place, height: 0 });
  useLayoutEffect(() => {
    const height = document.documentElement.scrollHeight;
    const known = before.current;
    if (known.place === place && known.first !== undefined && known.first !== first) {
      window.scrollBy({ top: height - known.height });
    }
    before.current = { first, place, height };
  });
}
