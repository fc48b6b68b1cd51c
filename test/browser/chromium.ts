// The built page, served with or without the headers that it needs, and a real Chromium to look at it. `usePage` is what most tests begin with.

import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from "vitest";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml", ".img": "application/octet-stream",
};
/** What a host sends that reads `_headers`: isolation, and the policy for pages and, which inherit none from them, workers. */
export const HEADERS: Readonly<Record<string, string>> = Object.fromEntries(
  readFileSync("public/_headers", "utf8").split("\n").filter((line) => /^ +\S/.test(line)).map((line): [string, string] => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]),
);
export const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" } as const;

/** For what a page is waited for: a limit for what hangs, not a measure of what is slow. */
export const PATIENCE_MS = 90_000;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/** A browser whose storage is on the disk and outlives its tabs, as a person's is. */
export async function launchProfile(directory: string, serviceWorkers: "allow" | "block" = "block"): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(directory, { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, acceptDownloads: true, serviceWorkers });
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

export interface Site {
  readonly address: string;
  readonly close: () => void;
}

/** Answers a request in the place of the files; false: it is for them. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A plain file server below `/sub/path/`, so that nothing relies on the root of a host. */
export async function serve(directory: string, headers: Readonly<Record<string, string>>, answer: Answer = () => false): Promise<Site> {
  const server: Server = createServer((request, response) => {
    if (answer(request, response)) return;
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname).replace(/^\/sub\/path/, "");
    const file = normalize(join(directory, path.endsWith("/") ? `${path}index.html` : path));
    void readFile(file).then(
      (bytes) => response.writeHead(200, { ...headers, "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" }).end(bytes),
      () => response.writeHead(404, headers).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sub/path/`, close: () => server.close() };
}

/** The page as `npm run build` makes it; all tests look at the same. */
export const directory = inject("builtPage");

/** What `useSite` and `usePage` have set up for the test that runs. */
export let site: Site, browser: Browser, page: Page;

/** Before all tests of a file: a server of its own for the built page, isolated. */
export function useSite(answer?: Answer): void {
  beforeAll(async () => {
    site = await serve(directory, HEADERS, answer);
  });
  afterAll(() => site?.close());
}

/** Tells of errors in the scripts of a page, and of what its Content Security Policy refuses it. */
export function watch(own: Page, problems: string[]): void {
  own.on("pageerror", (error) => problems.push(error.message));
  own.on("console", (message) => void (/Content Security Policy/i.test(message.text()) && problems.push(message.text())));
}

const problems: string[] = [];

/** The test asked for what the policy refuses, and it was. */
export function expectRefusals(): void {
  expect(problems.filter((text) => !/Content Security Policy/i.test(text))).toEqual([]);
  problems.length = 0;
}

/** The same, and a tab of its own for each test, which fails if a script of the page does, or asks for what the policy refuses. */
export function usePage(viewport = { width: 1400, height: 900 }): void {
  useSite();
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    problems.length = 0;
    // What the service worker does has tests of its own; here it would fetch and keep the whole page for each.
    page = await browser.newPage({ viewport, acceptDownloads: true, serviceWorkers: "block" });
    page.setDefaultTimeout(PATIENCE_MS);
    watch(page, problems);
  });
  afterEach(async () => {
    await page.close();
    expect(problems).toEqual([]);
  });
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** WCAG 2.2 AA, and what axe's authors call good practice. */
const AXE_OPTIONS = { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } };
interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[] }[];
}

/** What axe finds in a page as it is now; the test's own page if none is named. What the guest writes in its colours is the guest's. */
export async function violations(own: Page = page, contrast = true): Promise<unknown[]> {
  await ensureAxe(own);
  const options = { ...AXE_OPTIONS, rules: { ...AXE_OPTIONS.rules, "color-contrast": { enabled: contrast } } };
  return told(await own.evaluate((wanted) => (window as unknown as { axe: { run: (context: object, options: object) => Promise<AxeResult> } }).axe.run({ exclude: [[".xterm-rows"]] }, wanted), options));
}

async function ensureAxe(own: Page): Promise<void> {
  if (!(await own.evaluate(() => "axe" in window))) await own.evaluate(AXE);
}

const told = ({ violations: all }: AxeResult): unknown[] => all.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map(({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary.slice(0, 200)}`)]);

export const LOOKS = ["light", "dark", "contrast", "forced"] as const;

/** One of the page's looks, without a new load. */
export async function look(name: (typeof LOOKS)[number]): Promise<void> {
  await page.emulateMedia({ colorScheme: name === "light" ? "light" : "dark", reducedMotion: "reduce", forcedColors: name === "forced" ? "active" : "none" });
  await page.evaluate((contrast) => {
    if (contrast) document.documentElement.dataset.theme = "contrast";
    else delete document.documentElement.dataset.theme;
  }, name === "contrast");
}

/** Axe once, and in each look the colours of one text of each kind: everything else is the same there. */
export async function cleanInEveryLook(view: string): Promise<void> {
  await look("light");
  expect([view, ...(await violations(page, false))]).toEqual([view]);
  for (const name of LOOKS) {
    await look(name);
    const found = told(await page.evaluate(() => {
      const kinds = new Map<string, Element>();
      const kind = (own: Element | null): string => (own ? `${own.tagName}.${own.getAttribute("class") ?? ""}${own.getAttribute("style") ?? ""}${Object.values((own as HTMLElement).dataset).filter((value) => !/^[0-9a-f]+$/.test(value ?? "")).join()}${own.ariaSelected}${own.ariaPressed}${own.ariaCurrent}${own.matches(":disabled")}` : "");
      for (const own of document.querySelectorAll("body *")) {
        if (own.closest(".xterm-rows") || ![...own.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent?.trim())) continue;
        const name = [own, own.parentElement, own.parentElement?.parentElement ?? null].map(kind).join(" < ");
        if (!kinds.has(name)) kinds.set(name, own);
      }
      return (window as unknown as { axe: { run: (context: object, options: object) => Promise<AxeResult> } }).axe.run({ include: [...kinds.values()] }, { resultTypes: ["violations"], runOnly: { type: "rule", values: ["color-contrast"] } });
    }));
    expect([`${view}, ${name}`, ...found]).toEqual([`${view}, ${name}`]);
  }
}

/** Drops files that lie on the disk onto the page, as the person's file manager would. */
export async function dropFiles(page: Page, paths: readonly string[], target?: string): Promise<void> {
  await page.waitForSelector("footer"); // the first view has none
  await page.evaluate(() => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", multiple: true, id: "test-files" });
    document.body.append(input);
  });
  await page.setInputFiles("#test-files", [...paths]);
  await page.evaluate(async (where) => {
    const input = document.querySelector<HTMLInputElement>("#test-files");
    const data = new DataTransfer();
    for (const file of input?.files ?? []) data.items.add(file);
    input?.remove();
    const root = document.querySelector("#root > div");
    const fire = (element: Element | null | undefined, type: string): void => void element?.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
    fire(root, "dragenter");
    fire(root, "dragover");
    await new Promise((resolve) => setTimeout(resolve, 100));
    fire(where ? document.querySelector(`[data-target="${where}"]`) : root, "drop");
  }, target);
}

/** What stands in the terminal that is shown: a serial line, the debug port or the screen in a text mode. */
export function consoleText(page: Page): Promise<string> {
  return page.evaluate(() => [...document.querySelectorAll("[role=tabpanel]:not([hidden]) .xterm-rows > div")].map((row) => row.textContent ?? "").join("\n"));
}

/** The same, but nothing while the screen is shown: a guest may write to both. */
export function serialText(page: Page): Promise<string> {
  return page.evaluate(() => [...document.querySelectorAll("[role=tabpanel]:not([hidden]) .xterm-rows > div")].filter((row) => row.closest("[role=application]") === null).map((row) => row.textContent ?? "").join("\n"));
}

export async function waitForSerial(page: Page, text: string, timeoutMs = PATIENCE_MS): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    if ((await serialText(page)).includes(text)) return;
    if (Date.now() > end) throw new Error(`"${text}" did not come. The console shows:\n${await consoleText(page)}`);
    await page.waitForTimeout(50);
  }
}

/** Types on the serial line that is shown. */
export async function typeOnSerial(page: Page, text: string): Promise<void> {
  await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
  await page.keyboard.type(text);
}
