// How components reach the stores.

import { createContext, useContext, useEffect, useRef, useSyncExternalStore } from "react";
import type { Observable } from "../store/observable.ts";
import type { Page } from "../store/page.ts";
import type { Session } from "../store/session.ts";

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (!page) throw new Error("used outside of <App>");
  return page;
}

export function useSession(): Session {
  return usePage().session;
}

export function useObservable<T>(observable: Observable<T>): T {
  return useSyncExternalStore(observable.subscribe, observable.get, observable.get);
}

/** Calls `onOutside` for a press outside of the element and for Escape, while `active`. */
export function useDismiss(active: boolean, onOutside: (byKey: boolean) => void): React.RefObject<HTMLDivElement | null> {
  const ref = useRef<HTMLDivElement>(null);
  const latest = useRef(onOutside);
  latest.current = onOutside;
  useEffect(() => {
    if (!active) return;
    const press = (event: PointerEvent): void => {
      if (event.target instanceof Node && !ref.current?.contains(event.target)) latest.current(false);
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key === "Escape") latest.current(true);
    };
    document.addEventListener("pointerdown", press);
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("pointerdown", press);
      document.removeEventListener("keydown", key);
    };
  }, [active]);
  return ref;
}
