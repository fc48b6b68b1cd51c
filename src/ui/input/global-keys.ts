// Keys of the page itself. They count only while the guest has no focus: there every key is the guest's.

import { useEffect } from "react";
import { useSession } from "../hooks.ts";

/** Marks an element whose keys belong to the guest. */
export const GUEST_KEYS = "data-guest-keys";

function belongsToGuest(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(`[${GUEST_KEYS}]`) !== null;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function useGlobalKeys(): void {
  const session = useSession();
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (belongsToGuest(event.target) || event.ctrlKey || event.altKey || event.metaKey) return;
      const { run } = session.state.get();
      const paused = run?.kind === "paused";
      if (event.key === "F8" && event.shiftKey) { if (paused) session.debug.stepOut(); }
      else if (event.key === "F8") session.toggleRun();
      else if (event.key === "F10" && paused) event.shiftKey ? session.stepToNextTrap() : session.debug.stepOver();
      else if (event.key === "F11" && event.shiftKey && run !== null && run.kind !== "running") session.debug.back({ kind: "instructions", count: 1 });
      else if (event.key === "F11" && paused && !event.shiftKey) session.step();
      else if (event.key === "g" && !isTyping(event.target) && document.getElementById("code-address")) document.getElementById("code-address")?.focus();
      else if (event.key === "/" && !isTyping(event.target)) document.getElementById("trap-filter")?.focus();
      else if (event.key === "?" && !isTyping(event.target)) document.getElementById("help-button")?.click();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [session]);
}
