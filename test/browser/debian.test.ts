// Debian Linux from a dropped disk image, in a real browser: boots, answers at its shell, keeps the wall clock.
// TRAPSCOPE_DEBIAN_DISK names the image that scripts/build-debian-disk.sh makes; without it the test is skipped and says so.

import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPage, dropFiles, ISOLATION, launchChromium, removePage, serialText, serve, type Site, waitForSerial } from "./chromium.ts";

const DISK = process.env.TRAPSCOPE_DEBIAN_DISK ?? ".cache/debian/disk.img";
const BOOT_MS = 300_000;
if (!existsSync(DISK)) console.warn(`skipped: no Debian disk at ${DISK} (scripts/build-debian-disk.sh .cache/debian makes one)`);

describe.skipIf(!existsSync(DISK))("Debian on a dropped disk", () => {
  let directory: string, site: Site, browser: Browser, page: Page;
  beforeAll(async () => {
    directory = await buildPage();
    site = await serve(directory, ISOLATION);
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  });
  afterAll(async () => {
    await browser?.close();
    site?.close();
    removePage(directory);
  });

  it("boots to a shell that runs ls and knows the time", { timeout: BOOT_MS + 60_000 }, async () => {
    await page.goto(site.address);
    await page.waitForSelector("[data-guest=popf]");
    await dropFiles(page, [DISK]);
    await waitForSerial(page, "GUEST READY", BOOT_MS);

    const type = async (text: string): Promise<void> => {
      await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
      await page.keyboard.type(text);
      await page.keyboard.press("Enter");
    };
    await type("ls /");
    await waitForSerial(page, "modules");
    await type("echo now=$(date +%s)=");
    await waitForSerial(page, "\nnow=");
    const seconds = Number(/\nnow=(\d+)=/.exec(await serialText(page))?.[1]);
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(5);
  });
});
