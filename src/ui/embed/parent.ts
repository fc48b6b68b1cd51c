// What the page around the frame may ask of it, and what it is told: messages with `trapscope: 1`. docs/embedding.md.

import { isTechnique } from "../../protocol/technique.ts";
import type { Page } from "../../store/page.ts";
import { layoutOf, typeText } from "../input/keyboard-layouts.ts";

/** What happened is told at most so often. */
const TELL_MS = 200;

interface Wish {
  readonly trapscope?: unknown;
  readonly do?: unknown;
  readonly text?: unknown;
  readonly technique?: unknown;
  readonly filter?: unknown;
}

export function answerParent(page: Page, parent: Window): void {
  const { session } = page;
  const tell = (event: string, facts: object = {}): void => parent.postMessage({ trapscope: 1, event, ...facts }, "*");
  window.addEventListener("message", ({ source, data }: MessageEvent<Wish | null>) => {
    if (source !== parent || data === null || typeof data !== "object" || data.trapscope !== 1) return;
    const text = typeof data.text === "string" ? data.text : "";
    switch (data.do) {
      case "start": return page.want();
      case "run": return session.run();
      case "pause": return session.pause();
      case "reset": return session.reset();
      case "send": return session.serialInput(0, new TextEncoder().encode(text));
      case "type": return session.typeKeys(typeText(text, layoutOf("us")).keys);
      case "technique": {
        const { ring, set } = session.state.get().options;
        if (typeof data.technique === "string" && isTechnique(data.technique)) session.setTechnique(data.technique, ring, set);
        return;
      }
      case "filter":
        if (typeof data.filter === "string") session.traps.setFilter(data.filter);
        return;
    }
  });
  let shown = "";
  session.state.subscribe(() => {
    const { run, machine } = session.state.get();
    const state = { run: run?.kind ?? null, technique: machine?.technique ?? null, ...(run?.kind === "ended" ? { outcome: run.outcome, reason: run.reason } : {}) };
    const now = JSON.stringify(state);
    if (now === shown) return;
    shown = now;
    tell("state", state);
  });
  const decoder = new TextDecoder();
  session.serial[0].attach((bytes) => tell("serial", { text: decoder.decode(bytes, { stream: true }) }));
  let toldMs = -Infinity, totals = "";
  page.frames.add((nowMs) => {
    if (nowMs - toldMs < TELL_MS) return;
    toldMs = nowMs;
    const own = session.traps.state.get().totals, now = JSON.stringify(own);
    if (now === totals) return;
    totals = now;
    tell("totals", own);
  });
  tell("ready");
}
