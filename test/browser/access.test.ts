// axe on every view that the page has: each look, forced colours, a phone, and 400 % zoom.

import { afterEach, describe, expect, it } from "vitest";
import { page, site, usePage, violations, waitForSerial } from "./chromium.ts";

usePage();
afterEach(() => page.emulateMedia({ forcedColors: null }));

const DEBUG_TABS = ["Breakpoints", "Program", "Memory", "Tables", "Devices", "Time"];

async function clean(view: string): Promise<void> {
  expect([view, ...(await violations())]).toEqual([view]);
}

describe.each(["light", "dark", "contrast", "forced"] as const)("in %s", (look) => {
  const open = async (query: string): Promise<void> => {
    await page.emulateMedia({ colorScheme: look === "light" ? "light" : "dark", reducedMotion: "reduce", forcedColors: look === "forced" ? "active" : "none" });
    await page.goto(site.address + query);
    await page.waitForSelector("footer");
    if (look === "contrast") await page.evaluate(() => { document.documentElement.dataset.theme = "contrast"; });
  };

  it("the lab, its results, the check of the browser, the help and the storage are clean", async () => {
    await open("?lab=L1");
    await page.getByRole("region", { name: "Lab L1" }).waitFor();
    await clean("lab");
    for (const choice of await page.locator("fieldset").all()) await choice.getByRole("radio").first().check();
    await page.getByRole("button", { name: "Run all steps" }).click();
    await page.getByRole("heading", { name: "What this shows" }).waitFor({ timeout: 120_000 });
    await clean("lab with results");
    await page.getByRole("button", { name: "Help" }).click();
    await clean("help");
    await page.getByRole("button", { name: "Check this browser" }).click();
    await page.locator("dialog dl").waitFor();
    await clean("check");
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByRole("button", { name: "Storage" }).click();
    await page.getByText("that the browser allows").waitFor();
    await clean("storage");
  });

  it("the debugger, every tab of it, the menus and the consoles' parts are clean", async () => {
    await open("?guest=tour&technique=trap&view=debug");
    await waitForSerial(page, "t86>");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.locator("[aria-label=Code] > [aria-current=step]").waitFor();
    await clean("disassembly");
    for (const tab of DEBUG_TABS) {
      await page.getByRole("tab", { name: tab, exact: true }).click();
      await page.waitForTimeout(200);
      await clean(tab);
    }
    await page.click("#technique");
    await clean("techniques");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Drives" }).click();
    await clean("drives");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Keys", exact: true }).click();
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await clean("keys and search");
    await page.getByRole("button", { name: "More for the console" }).click();
    await clean("more for the console");
  });
});

describe("at 400 % zoom and on a phone", () => {
  it.each([[320, 256], [390, 844]])("%i by %i: nothing needs to be scrolled sideways, and axe finds nothing", async (width, height) => {
    await page.setViewportSize({ width, height });
    const sideways = async (view: string): Promise<void> => expect([view, await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)]).toEqual([view, 0]);
    for (const query of ["", "?lab=L1", "?guest=popf&view=compare"]) {
      await page.goto(site.address + query);
      await page.waitForSelector("footer");
      await page.waitForTimeout(500);
      await sideways(query);
      await clean(query);
    }
    await page.goto(`${site.address}?guest=tour&technique=trap&view=debug`);
    await waitForSerial(page, "t86>").catch(() => {}); // another pane may be in front
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    for (const tab of ["Console", "Disassembly", "Registers", ...DEBUG_TABS, "Traps", "Timeline"]) {
      await page.getByRole("tab", { name: tab, exact: true }).click();
      await page.waitForTimeout(200);
      await sideways(tab);
      await clean(tab);
    }
    await page.click("#technique");
    await page.waitForTimeout(100);
    await sideways("techniques");
  });
});
