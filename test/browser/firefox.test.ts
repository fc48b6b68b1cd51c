// The core journey in a real Firefox: a card, a drop, keys, the technique switched while the guest runs, the trap panel, what the guest
// wrote found again. Skipped where there is no Firefox.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve, site, directory, useSite } from "./chromium.ts";
import { Firefox, HAS_FIREFOX } from "./firefox.ts";
import { FIRST_LINE, journalDisk, readJournal } from "./journal-guest.ts";

const one = (selector: string): string => `document.querySelector(${JSON.stringify(selector)})`;
const withText = (selector: string, text: string): string => `[...document.querySelectorAll(${JSON.stringify(selector)})].find((own) => own.textContent.includes(${JSON.stringify(text)}))`;
const total = (name: string): string => `Number((${one(`[data-total^="${name}"] > span`)}?.firstChild?.textContent ?? "0").replaceAll(",", ""))`;
const TERMINAL = `${one("[role=tabpanel]:not([hidden]) .xterm-screen")}`;

describe.skipIf(!HAS_FIREFOX)("in Firefox (FIREFOX)", () => {
  let firefox: Firefox, folder: string;
  useSite();
  beforeAll(async () => {
    firefox = await Firefox.launch();
    folder = mkdtempSync(join(tmpdir(), "trapscope-firefox-files-"));
  });
  afterAll(async () => {
    await firefox?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  it("is isolated, and a card boots its guest and shows what leaked", async () => {
    await firefox.open(site.address);
    expect(await firefox.evaluate("[self.crossOriginIsolated, typeof SharedArrayBuffer]")).toEqual([true, "function"]);
    await firefox.click(one("[data-guest=popf]"));
    await firefox.untilSerial("t86 popf");
    await firefox.until(`${total("leaks")} === 2`);
    await firefox.click(withText("button", "Show the leaks"));
    await firefox.click(one("[role=row][data-kind=leak]"));
    await firefox.until(`/Why is this sensitive/i.test(${one("aside")}?.innerText ?? "")`);
  });

  it("boots a dropped image, takes keys, and traps once the technique is switched", async () => {
    await firefox.open(site.address);
    await firefox.drop([resolve("public/guests/tour.img")]);
    await firefox.untilSerial("t86>");
    await firefox.click(TERMINAL);
    await firefox.type("echo one two", "Enter");
    await firefox.untilSerial("\none two");
    expect(await firefox.evaluate(total("traps"))).toBe(0);
    await firefox.click(one("#technique"));
    await firefox.click(one("input[name=technique][value=trap]"));
    await firefox.type("Escape");
    await firefox.click(TERMINAL);
    await firefox.type("sensitive", "Enter");
    await firefox.until(`${total("traps")} > 0`);
    await firefox.click(one("#trap-filter"));
    await firefox.type("kind == leak and insn == sgdt", "Enter");
    await firefox.until(`(() => { const rows = [...document.querySelectorAll("[role=row][data-kind]")]; return rows.length > 0 && rows.every((row) => row.textContent.includes("sgdt")); })()`);
  });

  it("keeps what a guest wrote to its disk, and finds it again", async () => {
    const path = join(folder, "journal.img");
    writeFileSync(path, journalDisk());
    let first = "";
    const begin = async (): Promise<number> => {
      await firefox.open(site.address);
      await firefox.drop([path]);
      await expect.poll(() => firefox.serial()).toMatch(FIRST_LINE);
      first = FIRST_LINE.exec(await firefox.serial())?.[0] ?? "";
      return readJournal(first)?.began ?? -1;
    };
    expect(await begin()).toBe(0);
    await firefox.click(TERMINAL);
    await firefox.type("g");
    await firefox.until(one("[data-testid=save-state]"));
    await expect.poll(async () => readJournal(first + (await firefox.serial()).replace(FIRST_LINE, ""))?.flushed ?? 0).toBeGreaterThan(2);
    expect(await begin()).toBeGreaterThanOrEqual(2);
  });

  it("goes back to the leak in the debugger, and forward again; stops at a breakpoint; shows memory", async () => {
    const instant = `Number(${one("[data-instant]")}?.dataset.instant ?? -1)`, next = one("[aria-label=Code] > [aria-current=step]");
    await firefox.open(`${site.address}?guest=popf&technique=trap&view=debug`);
    await firefox.until(`document.body.innerText.includes("The guest halted") && ${instant} > 0 && ${next}`);
    const end = await firefox.evaluate<number>(instant);
    await firefox.click(one("button[aria-label='Step back']"));
    await firefox.until(`${instant} === ${end - 1}`);
    await firefox.click(withText("button", "Run back"));
    await firefox.click(withText("button", "To the previous leak"));
    await firefox.until(`${next}?.textContent.includes("popf")`);
    const leak = await firefox.evaluate<number>(instant), place = await firefox.evaluate<string>(`${next}.dataset.address`);
    expect(leak).toBeLessThan(end - 1);
    await firefox.click(one("button[aria-label='Step forward']"));
    await firefox.until(`${instant} === ${leak + 1} && ${next} && ${next}.dataset.address !== ${JSON.stringify(place)}`);
    // A breakpoint there, and the way back to it.
    await firefox.click(withText("[role=tab]", "Breakpoints"));
    await firefox.click(one("form[aria-label='New breakpoint'] input[type=text]"));
    await firefox.type(place);
    await firefox.click(withText("form[aria-label='New breakpoint'] button", "Add"));
    await firefox.click(withText("[role=tab]", "Disassembly"));
    await firefox.click(withText("button", "Run back"));
    await firefox.click(withText("button", "To the previous breakpoint"));
    await firefox.until(`${next}?.dataset.address === ${JSON.stringify(place)}`);
    await firefox.click(one("[aria-label='Show memory at']"));
    await firefox.type("7c00", "Enter");
    await firefox.until(`${one("[aria-label='Memory, hexadecimal']")}?.innerText.includes("00007c00")`);
  });

  it("compares two techniques and finds where they part", async () => {
    await firefox.open(`${site.address}?guest=popf&view=compare&a=emulate&b=trap&autorun=1`);
    await firefox.until(`/After [\\d,]+ instructions, pushfd/.test(document.body.innerText)`, 120_000);
  });

  it("isolates itself through its service worker on a host that sends no headers", async () => {
    const plain = await serve(directory, {});
    await firefox.open(`${plain.address}?guest=popf&autorun=1`);
    await firefox.until("self.crossOriginIsolated", 30_000);
    await firefox.untilSerial("t86 popf");
    plain.close();
  });

  it("ran without an error in a script of the page", () => {
    expect(firefox.problems).toEqual([]);
  });
});
