// axe on every view that the page has: each look, forced colours, a phone, and 400 % zoom.

import { describe, expect, it } from "vitest";
import { cleanInEveryLook, page, site, usePage, violations, waitForSerial } from "./chromium.ts";

usePage();

const DEBUG_TABS = ["Breakpoints", "Program", "Memory", "Tables", "Devices", "Time"];

async function open(query: string): Promise<void> {
  await page.goto(site.address + query);
  await page.waitForSelector("footer");
}

describe("light, dark, of high contrast and in forced colours", () => {
  it("the lab, its results, the check of the browser, the help and the storage are clean", async () => {
    await open("?lab=L1");
    await page.getByRole("region", { name: "Lab L1" }).waitFor();
    await cleanInEveryLook("lab");
    for (const choice of await page.locator("fieldset").all()) await choice.getByRole("radio").first().check();
    await page.getByRole("button", { name: "Run all steps" }).click();
    await page.getByRole("heading", { name: "What this shows" }).waitFor();
    await cleanInEveryLook("lab with results");
    await page.getByRole("button", { name: "Help" }).click();
    await cleanInEveryLook("help");
    await page.getByRole("button", { name: "Check this browser" }).click();
    await page.locator("dialog dl").waitFor();
    await cleanInEveryLook("check");
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByRole("button", { name: "Storage" }).click();
    await page.getByText("that the browser allows").waitFor();
    await cleanInEveryLook("storage");
  });

  it("the debugger, every tab of it, the menus and the consoles' parts are clean", async () => {
    await open("?guest=tour&technique=trap&view=debug");
    await waitForSerial(page, "t86>");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.locator("[aria-label=Code] > [aria-current=step]").waitFor();
    await cleanInEveryLook("disassembly");
    for (const tab of DEBUG_TABS) {
      await debugTab(tab);
      await cleanInEveryLook(tab);
    }
    await page.click("#technique");
    await cleanInEveryLook("techniques");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Drives" }).click();
    await cleanInEveryLook("drives");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Keys", exact: true }).click();
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await cleanInEveryLook("keys and search");
    await page.getByRole("button", { name: "More for the console" }).click();
    await cleanInEveryLook("more for the console");
  });

  it("the first view, a run, its records, the timeline, groups, colours and the comparison are clean", async () => {
    await page.goto(site.address);
    await page.getByRole("button", { name: "Settings" }).click();
    await cleanInEveryLook("first view and settings");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await cleanInEveryLook("share");
    await page.keyboard.press("Escape");
    await page.click("[data-guest=popf]");
    await page.locator("section[aria-label='End of the run']").waitFor();
    await page.getByRole("button", { name: "Show the leaks" }).click();
    await page.locator("[role=row][data-kind=leak]").first().click();
    await page.getByText("What each technique does here").waitFor();
    await page.getByRole("button", { name: "Three views side by side" }).click();
    await cleanInEveryLook("record");
    await page.getByRole("tab", { name: "Timeline" }).click();
    await page.getByRole("application", { name: /^Events from/ }).waitFor();
    await cleanInEveryLook("timeline");
    await page.getByRole("button", { name: "As a table" }).click();
    await cleanInEveryLook("timeline as a table");
    await page.getByRole("tab", { name: "Traps" }).click();
    await page.getByRole("combobox", { name: /^Group/ }).selectOption("site");
    await page.getByRole("button", { name: "Rows", exact: true }).click();
    await page.getByRole("button", { name: "Colours…" }).click();
    await page.getByRole("dialog").waitFor();
    await cleanInEveryLook("groups and colours");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Compare", exact: true }).first().click();
    await page.getByText("Every technique runs the same guest").waitFor();
    await cleanInEveryLook("compare");
  });
});

/** The debugger's panes come when they are asked for. */
async function debugTab(name: string): Promise<void> {
  await page.getByRole("tab", { name, exact: true }).click();
  await page.waitForFunction(() => [...document.querySelectorAll("[role=tabpanel]:not([hidden])")].every((panel) => panel.childElementCount > 0));
}

describe("at 400 % zoom and on a phone", () => {
  it.each([[320, 256, true], [390, 844, false]])("%i by %i: nothing needs to be scrolled sideways, and axe finds nothing", async (width, height, contrast) => {
    await page.setViewportSize({ width, height });
    const clean = async (view: string): Promise<void> => expect([view, ...(await violations(page, contrast))]).toEqual([view]);
    const sideways = async (view: string): Promise<void> => expect([view, await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)]).toEqual([view, 0]);
    for (const query of ["", "?lab=L1", "?guest=popf&view=compare"]) {
      await page.goto(site.address + query);
      await page.waitForSelector("footer");
      await page.waitForLoadState("networkidle");
      // Two lines of buttons are enough.
      await expect.poll(async () => [query, (await page.locator("header").boundingBox())!.height]).toEqual([query, expect.closeTo(76, -1)]);
      await sideways(query);
      await clean(query);
    }
    await page.goto(`${site.address}?guest=tour&technique=trap&view=debug`);
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    for (const tab of ["Console", "Disassembly", "Registers", ...DEBUG_TABS, "Traps", "Timeline"]) {
      await debugTab(tab);
      await sideways(tab);
      await clean(tab);
    }
    await page.click("#technique");
    await page.locator("input[name=technique]").first().waitFor();
    await sideways("techniques");
  });
});
