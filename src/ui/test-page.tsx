// Renders a component over stores without a machine, for tests in happy-dom.

import { act } from "react";
import type { Root } from "react-dom/client";
import { createRoot } from "react-dom/client";
import { TestClient, TestMemory } from "../store/test-machine.ts";
import type { PageEnvironment } from "../store/page.ts";
import { Page } from "../store/page.ts";
import { PageContext } from "./hooks.ts";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
/** Frames come when a test says so. */
globalThis.requestAnimationFrame = () => 1;

export interface TestPage {
  readonly page: Page;
  readonly client: TestClient;
  readonly memory: TestMemory;
  readonly host: HTMLElement;
  /** Runs what changes state, and what follows from it. */
  readonly doing: (change: () => void | Promise<void>) => Promise<void>;
  /** A machine from `memory` that runs. */
  readonly boot: () => Promise<void>;
  /** One animation frame, later than the last by more than any store waits. */
  readonly frame: () => Promise<void>;
  readonly unmount: () => void;
}

const GUESTS = { guests: [{ id: "popf", file: "popf.img", title: "POPF loses an interrupt", description: "A kernel.", see: "A leak.", technique: "trap", ring: 1, memory: "16M" }] };

export async function renderPage(node: React.ReactNode, changes: Partial<PageEnvironment> = {}): Promise<TestPage> {
  const client = new TestClient();
  const memory = new TestMemory();
  const page = new Page({
    openClient: client.open, search: "", base: "./", storage: null,
    fetch: async (url) => (url.endsWith("index.json") ? new Response(JSON.stringify(GUESTS)) : new Response(new Uint8Array(512))),
    isolation: { isSecureContext: true, crossOriginIsolated: true, hasSharedArrayBuffer: true, headers: async () => null },
    ...changes,
  });
  const host = document.createElement("div");
  document.body.append(host);
  let root: Root | null = null;
  let now = 1000;
  const doing = (change: () => void | Promise<void>): Promise<void> => act(async () => change());
  await doing(() => {
    root = createRoot(host);
    root.render(<PageContext value={page}>{node}</PageContext>);
  });
  await doing(() => page.start());
  await doing(() => client.emit({ type: "hello", techniques: ["emulate", "trap"] }));
  return {
    page, client, memory, host, doing,
    boot: () => doing(() => {
      page.session.boot({ technique: "trap", ring: 1, set: {}, memoryBytes: 1 << 24, clock: "real", drives: { fda: { name: "a.img", data: new Uint8Array(512) } } }, "a.img");
      client.emit({ type: "ready", buffer: memory.buffer, layout: memory.layout, technique: "trap", ring: 1, set: {} });
      client.emit({ type: "state", state: { kind: "running" } });
    }),
    frame: () => doing(() => page.frames.tick((now += 1000))),
    unmount: () => act(() => {
      root?.unmount();
      host.remove();
    }),
  };
}

/** The first element that `selector` matches and whose text contains `text`. */
export function find<T extends HTMLElement = HTMLElement>(host: ParentNode, selector: string, text = ""): T {
  const found = [...host.querySelectorAll<T>(selector)].find((element) => element.textContent?.includes(text));
  if (!found) throw new Error(`no ${selector} with "${text}"`);
  return found;
}

/** As a person types: React listens to the native setter. */
export function type(input: HTMLInputElement, text: string): void {
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input) as object, "value")?.set?.call(input, text);
  input.dispatchEvent(new Event("input", { bubbles: true }));
}
