// Without the headers that shared memory needs: the whole page, and a guest in a frame of a page of another origin.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { consoleText, directory, launchChromium, PATIENCE_MS, serve, type Site, violations, waitForSerial, watch } from "./chromium.ts";

let site: Site, browser: Browser, context: BrowserContext, page: Page, around: Server;
const problems: string[] = [];

beforeAll(async () => {
  site = await serve(directory, {});
  browser = await launchChromium();
  // Another port is another origin.
  around = createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "text/html" }).end(`<!doctype html><html lang="en"><title>A course</title><main><h1>A course</h1>
<iframe title="A guest" src="${site.address}embed.html${new URL(request.url ?? "/", "http://x").search}" width="1100" height="520" allow="fullscreen"></iframe></main>
<script>window.told = []; addEventListener("message", ({ data }) => data?.trapscope === 1 && told.push(data));</script>`);
  });
  await new Promise<void>((resolve) => around.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  around?.close();
});
beforeEach(async () => {
  // A service worker would add the headers.
  context = await browser.newContext({ serviceWorkers: "block", viewport: { width: 1300, height: 900 }, acceptDownloads: true });
  context.setDefaultTimeout(PATIENCE_MS);
  page = await context.newPage();
  problems.length = 0;
  watch(page, problems);
});
afterEach(async () => {
  await context.close();
  expect(problems).toEqual([]);
});

describe("compatibility mode", () => {
  it("runs a guest, shows its traps and registers, and says in a line what is slower", async () => {
    await page.goto(`${site.address}?guest=popf`);
    await page.locator("section[aria-label='End of the run']").waitFor();
    expect(await page.evaluate(() => [window.crossOriginIsolated, "SharedArrayBuffer" in window])).toEqual([false, false]);
    expect(await page.getByRole("alert").innerText()).toMatch(/Compatibility mode:.*twenty times a second.*does not send Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy/);
    await page.fill("#trap-filter", "kind == leak");
    await page.locator("[role=row][data-kind=leak]", { hasText: "popf" }).first().click();
    await page.locator("aside").getByText("Why is this sensitive").waitFor();
    // The processor's own state reaches the page, too: the guest stopped in its code segment.
    await expect.poll(() => page.locator("[role=region][aria-label=Registers]").innerText()).toMatch(/CS\s+0008/);
    expect(await violations(page)).toEqual([]);
  });

  it("has both consoles, typing, another technique, steps and a picture", async () => {
    await page.goto(`${site.address}?guest=tour`);
    await waitForSerial(page, "t86>");
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await page.keyboard.type("echo over messages");
    await page.keyboard.press("Enter");
    await waitForSerial(page, "\nover messages");
    await page.click("#technique");
    await page.check("input[name=technique][value=trap]");
    await page.keyboard.press("Escape");
    await page.waitForSelector("[role=row][data-kind=exit]");
    await page.getByRole("tab", { name: "Screen" }).click();
    await expect.poll(() => consoleText(page)).toContain("over messages");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    const instructions = async (): Promise<string> => page.locator("footer").innerText();
    const before = await instructions();
    await page.locator("body").press("Shift+F10");
    await expect.poll(instructions).not.toBe(before);
  });

  it("compares techniques in workers of their own", async () => {
    await page.goto(`${site.address}?guest=popf&view=compare&a=emulate&b=trap&autorun=1`);
    await page.getByRole("article", { name: "emulate and trap/1" }).getByText(/After [\d,]+ instructions, pushfd/).waitFor();
  });

  it("is explained by the check of the browser", async () => {
    await page.goto(`${site.address}?check=1`);
    const dialog = page.getByRole("dialog", { name: "What this browser has" });
    const line = (name: string): Promise<string> => dialog.locator("dl > div", { hasText: name }).first().innerText();
    await dialog.locator("dl").waitFor();
    expect(await line("Shared memory")).toContain("Cross-Origin-Embedder-Policy: require-corp");
    expect(await line("WebAssembly")).toMatch(/shared memory.*vectors/);
    expect(await line("Worker")).toContain("has answered");
    expect(await line("Storage")).toMatch(/\d+ MB used of [\d,]+ MB/);
    expect(await violations(page)).toEqual([]);
  });
});

describe("the frame", () => {
  const told = (): Promise<{ event: string; text?: string; run?: string; outcome?: string; leaks?: number }[]> => page.evaluate(() => (window as unknown as { told: { event: string }[] }).told);
  const wish = (wanted: object): Promise<void> => page.evaluate((own) => document.querySelector("iframe")!.contentWindow!.postMessage({ trapscope: 1, ...own }, "*"), wanted);
  const text = async (): Promise<string> => (await told()).map((own) => own.text ?? "").join("");

  it("waits for a press, runs the guest and tells the page around it how it ended", async () => {
    await page.goto(`http://127.0.0.1:${(around.address() as AddressInfo).port}/?guest=popf`);
    const frame = page.frameLocator("iframe");
    await frame.getByRole("button", { name: "Run popf" }).waitFor();
    expect(await violations(page)).toEqual([]);
    await frame.getByRole("button", { name: "Run popf" }).click();
    await expect.poll(async () => (await told()).find(({ run }) => run === "ended")?.outcome).toBe("halted");
    await expect.poll(async () => (await told()).findLast(({ event }) => event === "totals")?.leaks).toBe(2);
    expect(await text()).toContain("POPF");
    await frame.locator("[role=row][data-kind=exit]").first().waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await frame.getByRole("link", { name: "Open in trapscope" }).getAttribute("href")).toBe("./?guest=popf");
  });

  it("takes wishes of the page around it", async () => {
    await page.goto(`http://127.0.0.1:${(around.address() as AddressInfo).port}/?guest=tour&panes=console&theme=dark`);
    await page.frameLocator("iframe").getByRole("button", { name: "Run tour" }).waitFor();
    await wish({ do: "start" });
    await expect.poll(text).toContain("t86>");
    await wish({ do: "send", text: "echo by message\r" });
    await expect.poll(text).toContain("\nby message");
    await wish({ do: "type", text: "echo by keys\n" });
    await expect.poll(text).toContain("\nby keys");
    await wish({ do: "pause" });
    await expect.poll(async () => (await told()).findLast(({ event }) => event === "state")?.run).toBe("paused");
    expect(await page.frameLocator("iframe").getByRole("tab", { name: "Traps" }).count()).toBe(0);
  });
});
