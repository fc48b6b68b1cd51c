// Hosts that send no headers, and no host at all: the service worker isolates the page and keeps it.

import type { BrowserContext, Page } from "playwright-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { directory, ISOLATION, launchProfile, serve, type Site, waitForSerial } from "./chromium.ts";

let profile: string, browser: BrowserContext, page: Page;
let site: Site | null = null;
const loads: string[] = [];

beforeEach(async () => {
  profile = mkdtempSync(join(tmpdir(), "trapscope-profile-"));
  browser = await launchProfile(profile, "allow");
  page = await browser.newPage();
  loads.length = 0;
  page.on("framenavigated", (frame) => void (frame === page.mainFrame() && loads.push(frame.url())));
});
afterEach(async () => {
  await browser.close();
  site?.close();
  site = null;
  rmSync(profile, { recursive: true, force: true });
});

/** False also while the page is being replaced. */
const isolated = (): Promise<boolean> => page.evaluate(() => window.crossOriginIsolated).catch(() => false);

describe("on a host that sends no headers", () => {
  it("loads itself once more, isolated, and runs a guest", async () => {
    site = await serve(directory, {});
    await page.goto(`${site.address}?guest=popf&autorun=1`);
    await expect.poll(isolated).toBe(true);
    await waitForSerial(page, "t86 popf");
    expect(loads).toHaveLength(2);
    expect(loads[1]).toBe(loads[0]);
    // From now on without a second load.
    await page.goto(site.address);
    expect([await isolated(), loads.length]).toEqual([true, 3]);
  });

  it("explains itself where service workers fail, and does not load for ever", async () => {
    site = await serve(directory, {}, (request, response) => {
      if (!request.url?.endsWith("service-worker.js")) return false;
      response.writeHead(404).end();
      return true;
    });
    await page.goto(site.address);
    await page.getByRole("alert").getByText("does not send Cross-Origin-Opener-Policy").waitFor();
    expect(loads).toHaveLength(1);
  });
});

describe("without a network", () => {
  it("opens again and boots a bundled guest", async () => {
    site = await serve(directory, ISOLATION);
    await page.goto(site.address);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    site.close();
    site = null;
    await page.goto(`${loads[0]}?guest=tables&autorun=1`);
    await waitForSerial(page, "t86 tables");
    expect(await isolated()).toBe(true);
  });
});
