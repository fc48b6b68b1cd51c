// Every journey once with the keyboard alone: no pointer is touched here.

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { consoleText, page, site, usePage, waitForSerial } from "./chromium.ts";

usePage();
const folder = mkdtempSync(join(tmpdir(), "trapscope-keyboard-"));
afterAll(() => rmSync(folder, { recursive: true }));
/** More than any view has. */
const MOST_STOPS = 120;

interface Focus {
  readonly role: string;
  readonly name: string;
}

/** What has the focus, as a screen reader would say it. */
function focus(): Promise<Focus> {
  return page.evaluate(() => {
    const own = document.activeElement;
    if (!(own instanceof HTMLElement)) return { role: "", name: "" };
    const labelled = own.getAttribute("aria-labelledby")?.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const label = own instanceof HTMLInputElement || own instanceof HTMLSelectElement || own instanceof HTMLTextAreaElement ? own.labels?.[0]?.textContent : null;
    return { role: own.getAttribute("role") ?? own.tagName.toLowerCase(), name: (own.getAttribute("aria-label") ?? labelled ?? label ?? own.textContent ?? "").trim() };
  });
}

const CONSOLES = /^(Serial console|Debug console|The guest's screen)/;

async function chord(): Promise<void> {
  for (const [key, way] of [["Control", "down"], ["Alt", "down"], ["Alt", "up"], ["Control", "up"]] as const) await page.keyboard[way](key);
}

/** Tab, until something of this name has the focus, which can be seen. */
async function tabTo(name: RegExp, key = "Tab"): Promise<void> {
  const met: string[] = [];
  for (let stop = 0; stop < MOST_STOPS; stop++) {
    await page.keyboard.press(key);
    const now = await focus();
    if (!name.test(now.name) && CONSOLES.test(now.name)) {
      // Its Tab is the guest's: the chord that stands above it leads on.
      await chord();
      if (name.test((await focus()).name)) return;
      continue;
    }
    if (name.test(now.name)) {
      const seen = await page.evaluate(() => {
        const own = document.activeElement!, box = own.getBoundingClientRect(), style = getComputedStyle(own), around = own.parentElement ? getComputedStyle(own.parentElement) : style;
        return { box: box.width > 0 && box.height > 0, outline: style.outlineStyle !== "none" || style.boxShadow !== "none" || around.outlineStyle !== "none" };
      });
      expect(seen, now.name).toEqual({ box: true, outline: true });
      return;
    }
    met.push(`${now.role} ${now.name.slice(0, 30)}`);
  }
  throw new Error(`${name} was not reached. The focus met:\n${met.join("\n")}`);
}

async function tab(name: RegExp, list: RegExp): Promise<void> {
  await tabTo(list);
  for (let step = 0; step < 8 && !name.test((await focus()).name); step++) await page.keyboard.press("ArrowRight");
  expect((await focus()).name).toMatch(name);
}

const status = (text: RegExp): Promise<void> => page.locator("footer [role=status]").filter({ hasText: text }).waitFor();

describe("with the keyboard alone", () => {
  it("a guest is booted, its traps are filtered, and one is explained", async () => {
    await page.goto(site.address);
    await page.waitForSelector("[data-guest=popf]");
    await page.waitForSelector("footer");
    await tabTo(/^popf/);
    await page.keyboard.press("Enter");
    await page.locator("section[aria-label='End of the run']").waitFor();
    await tabTo(/^Show the leaks$/);
    await page.keyboard.press("Enter");
    await expect.poll(() => page.inputValue("#trap-filter")).toBe("kind == leak");
    await page.keyboard.press("/");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("insn == popf");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Enter");
    await tabTo(/^Trap log$/);
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await page.locator("aside[aria-label^=Record]").getByText("Why is this sensitive").waitFor();
    expect((await focus()).name).toBe("Trap log");
    await page.keyboard.press("Escape");
    await page.locator("aside[aria-label^=Record]").waitFor({ state: "detached" });
  });

  it("a console is entered and left, and nothing holds the focus", async () => {
    await page.goto(`${site.address}?guest=tour`);
    await waitForSerial(page, "t86>");
    await tabTo(/^Serial console COM1$/);
    await page.keyboard.type("echo by hand");
    await page.keyboard.press("Enter");
    await waitForSerial(page, "\nby hand");
    // Tab is the guest's there; Shift+Tab and the chord are not.
    await page.keyboard.press("Tab");
    expect((await focus()).name).toBe("Serial console COM1");
    await page.keyboard.press("Shift+Tab");
    expect((await focus()).name).not.toBe("Serial console COM1");
    await tabTo(/^Serial console COM1$/);
    await chord();
    expect(await focus()).toEqual({ role: "tab", name: "Serial" });
    // Behind the chord Tab goes past the console, once.
    await tabTo(/^Registers$/);
    await tabTo(/^Serial$/, "Shift+Tab");
    await page.keyboard.press("ArrowRight");
    await tabTo(/^The guest's screen$/);
    await page.keyboard.type("echo on the screen");
    await page.keyboard.press("Enter");
    await expect.poll(() => consoleText(page)).toContain("\non the screen");
    await page.keyboard.press("Shift+Tab");
    expect((await focus()).name).not.toBe("The guest's screen");
  });

  it("a lab is foretold, run and passed", async () => {
    await page.goto(site.address);
    await page.waitForSelector("[data-lab=L1]");
    await tabTo(/^L1/);
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Lab L1" }).waitFor();
    const questions = await page.locator("fieldset").count();
    for (let question = 0; question < questions; question++) {
      await tabTo(question === 0 ? /^none$/ : question === 1 ? /^IF=0/ : /^none$/);
      await page.keyboard.press("Space");
      await page.keyboard.press("ArrowDown");
    }
    await tabTo(/^Run all steps$/);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "What this shows" }).waitFor();
  });

  it("a breakpoint stops the machine, a register is changed, and time goes back", async () => {
    await page.goto(`${site.address}?guest=tour&view=debug`);
    await waitForSerial(page, "t86>");
    await page.keyboard.press("F8");
    await status(/paused/);
    await page.locator("[aria-label=Code] > [aria-current=step]").waitFor();
    await page.keyboard.press("F11");
    await tabTo(/^Code$/);
    const next = await page.locator("[aria-label=Code] > [aria-current=step]").getAttribute("data-address");
    for (let line = 0; line < 60; line++) {
      await page.keyboard.press("ArrowDown");
      if ((await page.locator("[aria-label=Code] > [data-selected=true]").getAttribute("data-address")) === next) break;
    }
    await page.keyboard.press("F9");
    await page.locator(`[aria-label="Remove breakpoint at ${next}"]`).waitFor();
    await page.keyboard.press("F8");
    await status(/paused/);
    await expect.poll(() => page.locator("[aria-label=Code] > [aria-current=step]").getAttribute("data-address")).toBe(next);
    await tabTo(/^EDX [0-9a-f]{8}, change$/);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("1234abcd");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "EDX 1234abcd, change" }).waitFor();
    await expect.poll(async () => (await focus()).name).toBe("EDX 1234abcd, change");
    const instant = async (): Promise<number> => Number(await page.locator("[data-instant]").getAttribute("data-instant"));
    const before = await instant();
    await page.keyboard.press("Shift+F11");
    await expect.poll(instant).toBe(before - 1);
    // Out of the handler or the loop's helper that it stands in, or on until it is stopped: the key is the debugger's.
    await page.keyboard.press("Shift+F8");
    await status(/running|paused|waiting/);
  });

  it("a floppy is swapped, and the machine is saved", async () => {
    const other = join(folder, "other.img");
    copyFileSync("public/guests/popf.img", other);
    // Before the page is there: the browser hands choosers over only some time after it was asked to.
    const chosen = new Promise<void>((resolve) => { page.once("filechooser", (chooser) => void chooser.setFiles(other).then(resolve)); });
    await page.goto(`${site.address}?guest=tour&view=debug`);
    await waitForSerial(page, "t86>");
    await tabTo(/^Drives$/);
    await page.keyboard.press("Enter");
    await tabTo(/^Insert… into Floppy A/);
    await page.keyboard.press("Enter");
    await chosen;
    await page.locator("[data-drive=fda]").getByText("other.img").waitFor();
    await page.keyboard.press("Escape");
    await tab(/^Time$/, /^(Memory|Time)$/);
    await tabTo(/^Save snapshot$/);
    const [file] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    expect(readFileSync(await file.path()).length).toBeGreaterThan(1000);
  });
});
