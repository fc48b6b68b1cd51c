// The tab is killed in the middle of the guest's writes, again and again: what was acknowledged as flushed is there afterwards, and
// the disk is one that the guest has really had. TRAPSCOPE_KILLS sets how often (50).

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropFiles, launchProfile, serialText, site, useSite } from "./chromium.ts";
import { FIRST_LINE, journalDisk, readJournal } from "./journal-guest.ts";

const KILLS = Number(process.env.TRAPSCOPE_KILLS ?? 50);
let folder: string, context: BrowserContext;

useSite();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "trapscope-kill-"));
  context = await launchProfile(join(folder, "profile"));
});
afterAll(async () => {
  await context?.close();
  if (folder) rmSync(folder, { recursive: true });
});

/** The processes that run pages and their workers die at once, as by a crash or the task manager. */
async function killTab(page: Page): Promise<void> {
  const browser = context.browser();
  if (!browser) throw new Error("no browser");
  const client = await browser.newBrowserCDPSession();
  const { processInfo } = await client.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  expect(renderers.length).toBeGreaterThan(0);
  const crashed = page.waitForEvent("crash");
  for (const { id } of renderers) process.kill(id, "SIGKILL");
  await crashed;
  await client.detach();
  await page.close();
}

describe("a tab that is killed while the guest writes", () => {
  let seed = 12_345, acknowledged = 0;

  it.each(Array.from({ length: KILLS }, (_, n) => n + 1))("keeps what was flushed, kill %i", async () => {
    const path = join(folder, "journal.img");
    writeFileSync(path, journalDisk());
    const page = await context.newPage();
    await page.goto(site.address);
    await page.waitForSelector("[data-guest=popf]");
    await dropFiles(page, [path]);
    await expect.poll(() => serialText(page)).toMatch(FIRST_LINE);
    const first = FIRST_LINE.exec(await serialText(page))?.[0] ?? "";
    const { began, eight } = readJournal(first) ?? { began: -1, eight: [] };
    // Sector 1 is written after the eight, and those one after the other: a step may have come part of the way.
    expect(began).toBeGreaterThanOrEqual(acknowledged);
    eight.forEach((count, i) => {
      expect(count).toBeLessThanOrEqual(i === 0 ? began + 1 : (eight[i - 1] as number));
      expect(count).toBeGreaterThanOrEqual(began);
    });
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await page.keyboard.press("g");
    await expect.poll(async () => readJournal(first + (await serialText(page)).replace(FIRST_LINE, ""))?.flushed ?? 0, { interval: 20 }).toBeGreaterThan(began);
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    await page.waitForTimeout((seed >>> 8) % 1200);
    acknowledged = Math.max(began, readJournal(first + (await serialText(page)).replace(FIRST_LINE, ""))?.flushed ?? began);
    await killTab(page);
  });

  it("was killed in the middle of work", () => {
    expect(acknowledged).toBeGreaterThan(KILLS);
  });
});
