// The trap panel, the timeline, the comparison and the layout, by a person's hands: real keys and a real pointer, nothing of the app's own.

import { readFileSync } from "node:fs";
import type { Locator } from "playwright-core";
import { describe, expect, it } from "vitest";
import { readJsonl } from "../../src/trace/jsonl.ts";
import { dropFiles, page, site, usePage, violations } from "./chromium.ts";

const PAINT_BYTES = 100 * 1024, INTERACTIVE_BYTES = 260 * 1024;

usePage();

/** A guest that has ended: nothing moves any more. */
async function ended(query: string): Promise<void> {
  await page.goto(site.address + query);
  await page.locator("section[aria-label='End of the run']").waitFor();
}

const filter = (): Promise<string> => page.inputValue("#trap-filter");
const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
const records = async (): Promise<number> => Number(await page.locator("[role=grid]").getAttribute("aria-rowcount")) - 1;

/** What does not change any more: the rows follow the filter by and by. */
async function settled(read: () => Promise<number>): Promise<number> {
  let last = 0, times = 0;
  await expect.poll(async () => {
    const now = await read();
    times = now > 0 && now === last ? times + 1 : 0;
    last = now;
    return times;
  }, { interval: 300 }).toBeGreaterThan(2);
  return last;
}

describe("the filter", () => {
  it("offers what may come next, takes it by keyboard, and stands in the address", async () => {
    await ended("?guest=popf");
    await page.locator("body").press("/");
    await page.keyboard.type("ki");
    await page.locator("[role=option]", { hasText: "kind" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    expect(await filter()).toBe("kind ");
    await page.keyboard.type("== le");
    await page.locator("[role=option]", { hasText: "leak" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    expect((await filter()).trim()).toBe("kind == leak");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Enter");
    await expect.poll(records).toBe(2);
    expect(new URL(page.url()).searchParams.get("filter")?.trim()).toBe("kind == leak");
    await page.fill("#trap-filter", "kind == lek");
    await page.getByText('"lek" is not one of its values.').waitFor();
    expect(await page.getAttribute("#trap-filter", "aria-invalid")).toBe("true");
  });

  it("is saved under a name, and comes back after a reload", async () => {
    await ended("?guest=popf&filter=kind%20%3D%3D%20leak");
    await page.getByRole("button", { name: "Filters", exact: true }).click();
    await page.getByLabel("Name for this filter").fill("what leaked");
    await page.getByRole("button", { name: "Save filter" }).click();
    await ended("?guest=popf");
    await page.getByRole("button", { name: "Filters", exact: true }).click();
    await page.getByRole("button", { name: /what leaked.*kind == leak/ }).first().click();
    expect(await filter()).toBe("kind == leak");
  });

  it("is found again among the latest, and a damaged one is not kept", async () => {
    await ended("?guest=popf");
    for (const own of ["insn == cli", "insn == lek ==", "kind == leak"]) {
      await page.fill("#trap-filter", own);
      await page.locator("#trap-filter").press("Enter");
    }
    const menu = page.getByRole("group", { name: "Saved and recent filters" });
    await page.getByRole("button", { name: "Filters", exact: true }).click();
    expect(await menu.locator("code").allInnerTexts()).toEqual(["kind == leak", "insn == cli"]);
    await menu.getByRole("button", { name: "insn == cli" }).click();
    expect(await filter()).toBe("insn == cli");
    await expect.poll(() => page.locator("[role=row][data-kind]").first().innerText()).toContain("cli");
    // Also of the visit before.
    await page.reload();
    await page.getByRole("button", { name: "Filters", exact: true }).click();
    expect(await menu.locator("code").allInnerTexts()).toContain("kind == leak");
  });

  it("comes from any cell, by pointer and by keyboard", async () => {
    await ended("?guest=popf&filter=kind%20%3D%3D%20leak");
    await page.locator("[role=row][data-kind=leak] [data-column=insn]", { hasText: "popf" }).click({ button: "right" });
    await page.getByRole("menuitem", { name: /Show only/ }).click();
    await expect.poll(filter).toBe("insn == POPF");
    await settled(records);
    await page.getByRole("grid").press("ArrowUp");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: /Hide/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await expect.poll(filter).toMatch(/^insn == POPF and \(not (kind|reason) == /);
    expect(await focused()).toBe("Trap log");

    // Every column's cell is a filter that its own record passes.
    await page.setViewportSize({ width: 2900, height: 900 });
    await page.fill("#trap-filter", "insn == cli and kind == exit");
    await expect.poll(() => page.locator("[role=columnheader]").count()).toBe(12);
    await expect.poll(() => new URL(page.url()).searchParams.get("filter")).toBe("insn == cli and kind == exit");
    const all = await settled(async () => ((await page.locator("[role=row][data-kind] [data-column=insn]").allInnerTexts()).every((insn) => insn === "cli") ? records() : 0));
    for (const column of await page.locator("[role=row][data-kind]").last().locator("[data-column]").evaluateAll((cells) => cells.map((cell) => (cell as HTMLElement).dataset.column!))) {
      await page.fill("#trap-filter", "insn == cli and kind == exit");
      await expect.poll(records, { message: column }).toBe(all);
      const cell = page.locator(`[role=row][data-kind] [data-column=${column}]`).last(), place = await page.locator("[role=row][data-kind] [data-column=icount]").last().innerText();
      await cell.click({ button: "right" });
      await page.getByRole("menuitem", { name: "Show only" }).click();
      expect(await filter(), column).not.toContain("kind == exit");
      expect(await page.getAttribute("#trap-filter", "aria-invalid"), column).toBe("false");
      await page.fill("#trap-filter", `(${await filter()}) and icount == ${place.replaceAll(",", "")}`);
      await expect.poll(() => page.locator("[role=row][data-kind] [data-column=insn]").allInnerTexts(), { message: column }).toEqual(["cli"]);
    }
  });
});

describe("rows", () => {
  it("are marked by key, found again, and exported with their marks", async () => {
    await ended("?guest=tables&technique=trap&filter=kind%20%3D%3D%20leak");
    await expect.poll(records).toBe(5);
    await page.getByRole("grid").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("m");
    for (const key of ["ArrowDown", "ArrowDown", "m", "Home", "n"]) await page.keyboard.press(key);
    await expect.poll(() => page.locator("[role=row][aria-selected=true]").innerText()).toContain("sldt");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "JSON lines" }).click();
    const path = await (await download).path();
    const { marks, traps } = readJsonl(readFileSync(path, "utf8"));
    expect(traps.filter(({ seq }) => marks.has(seq)).map(({ instruction }) => instruction)).toEqual(["SGDT", "SLDT"]);

    // The file is a session of its own, read only.
    await page.goto(site.address);
    await page.waitForSelector("[data-guest=popf]");
    await page.getByRole("button", { name: "Settings" }).waitFor();
    await dropFiles(page, [path]);
    await page.getByText("read only").waitFor();
    await expect.poll(records).toBe(5);
    await expect.poll(() => page.locator("[role=row][data-marked]").count()).toBe(2);
    await page.getByRole("tab", { name: "Timeline" }).click();
    await page.getByRole("button", { name: "As a table" }).click();
    await page.getByRole("region", { name: "Timeline as a table" }).getByText("leaks").first().waitFor();
  });

  it("go on being followed when the table gets more room, and are held when a person scrolls", async () => {
    await page.setViewportSize({ width: 1400, height: 700 });
    await page.goto(`${site.address}?guest=tour&technique=trap`);
    await page.waitForSelector("[role=row][data-kind=exit]");
    const newer = page.getByRole("button", { name: /new ↓$/ });
    await page.setViewportSize({ width: 1400, height: 1000 });
    await page.waitForTimeout(1000);
    expect(await newer.count()).toBe(0);
    const box = (await page.getByRole("grid").boundingBox())!;
    await page.mouse.move(box.x + 100, box.y + 200);
    await page.mouse.wheel(0, -300);
    await newer.waitFor();
    await newer.click();
    await newer.waitFor({ state: "detached" });
  });

  it("go to a spreadsheet as CSV, and to Perfetto as trace events", async () => {
    await ended("?guest=popf");
    const exported = async (format: string): Promise<string> => {
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name: "Export", exact: true }).click();
      await page.getByRole("button", { name: format }).click();
      return readFileSync(await (await download).path(), "utf8");
    };
    const [head, ...lines] = (await exported("CSV")).trimEnd().split("\r\n"), names = head!.split(",");
    expect(lines.length).toBe(await records());
    const leak = lines.find((line) => line.includes(",leak,POPF,"))!;
    // Commas stand in quotes; none of this record's do.
    const cells = Object.fromEntries(leak.split(",").map((cell, index) => [names[index], cell]));
    expect(cells).toMatchObject({ kind: "leak", instruction: "POPF", bytes: "9d", vcpl: "0", hcpl: "1", mode: "pm32", reason: "" });
    expect([Number(cells.observed) & 0x200, Number(cells.expected) & 0x200]).toEqual([0, 0x200]);
    const { traceEvents } = JSON.parse(await exported("Perfetto trace")) as { traceEvents: { ph: string; name: string }[] };
    expect(traceEvents.filter(({ ph }) => ph === "i").length).toBeGreaterThan(1000);
    expect(traceEvents.some(({ ph, name }) => ph === "i" && name.startsWith("popf"))).toBe(true);
  });

  it("are grouped, and a group filters", async () => {
    await ended("?guest=popf");
    await page.getByRole("combobox", { name: /^Group/ }).selectOption("technique");
    await page.getByRole("region", { name: "Groups" }).getByRole("button", { name: "trap" }).waitFor();
    await page.getByRole("combobox", { name: /^Group/ }).selectOption("site");
    await page.getByRole("region", { name: "Groups" }).getByRole("button", { name: "popfd" }).first().click();
    await expect.poll(filter).toMatch(/^linear == 0x/);
    await expect.poll(records).toBeGreaterThan(0);
    await expect.poll(() => page.locator("[role=row][data-kind]").first().innerText()).toContain("popf");
  });

  it.each([
    ["page", "page", /^[0-9a-f]{5}000$/, /^page == 0x[0-9a-f]{5}$/],
    ["reason", "cause", /^#GP$/, /^reason == "?#GP"?$/],
  ] as const)("are grouped by %s, with sums that are the log's", async (by, head, name, wanted) => {
    await ended("?guest=popf");
    const all = await settled(records);
    await page.getByRole("combobox", { name: /^Group/ }).selectOption(by);
    const groups = page.getByRole("region", { name: "Groups" }), group = groups.getByRole("button", { name }).first();
    await group.waitFor();
    expect(await groups.locator("thead th").first().innerText()).toBe(head);
    // Traps, leaks and observations: the first three numbers of a row.
    const sum = (rows: Locator): Promise<number> => rows.evaluateAll((own) => own.flatMap((row) => [...row.querySelectorAll("td")].slice(0, 3)).reduce((total, cell) => total + Number(cell.textContent?.replaceAll(",", "")), 0));
    await expect.poll(() => sum(groups.locator("tbody tr"))).toBe(all);
    const own = await sum(groups.locator("tbody tr", { has: page.getByRole("button", { name }) }).first());
    expect(own).toBeGreaterThan(0);
    await group.click();
    await expect.poll(filter).toMatch(wanted);
    await expect.poll(records).toBe(own);
  });

  it("explain themselves: bytes, registers, techniques", async () => {
    await ended("?guest=popf&filter=insn%20%3D%3D%20cli%20and%20kind%20%3D%3D%20exit");
    await page.locator("[role=row][data-kind=exit] [data-column=insn]").last().click();
    const detail = page.locator("aside[aria-label^=Record]");
    await detail.getByText("What each technique does here").waitFor();
    await expect.poll(() => detail.innerText()).toMatch(/EFLAGS\s+[0-9a-f]{8}\s+[0-9a-f]{8}IF 1→0/);
    expect(await detail.locator("tr", { hasText: /^translate/ }).innerText()).toContain("inline");
    expect(await detail.locator("tr[aria-current]").innerText()).toContain("trap");
    expect(await detail.innerText()).toContain("Intel SDM, Vol. 2A, CLI");
  });

  it("stop the machine at each kind that can be asked for", async () => {
    await ended("?guest=priv&technique=trap");
    const newest = page.locator("[role=row][data-kind]").last();
    const pauseAt = async (choose: () => Promise<void>, set: string, shows: (row: ReturnType<typeof page.locator>) => Promise<unknown>, expected: unknown): Promise<void> => {
      const menu = page.getByRole("button", { name: /^Pause on/ });
      await menu.click();
      await choose();
      await page.getByRole("checkbox", { name: `Pause on ${set}` }).waitFor();
      await menu.click();
      await page.getByRole("button", { name: "Reset", description: "Reset the machine" }).click();
      await page.locator("footer [role=status]", { hasText: /^paused/ }).waitFor();
      await expect.poll(() => shows(newest), { message: set }).toEqual(expected);
      await menu.click();
      await page.getByRole("button", { name: `Remove ${set}` }).click();
      await menu.click();
    };
    const choice = (name: string) => (): Promise<void> => page.getByRole("button", { name, exact: true }).click();
    const own = (row: ReturnType<typeof page.locator>): Promise<string | null> => row.locator("[data-class]").getAttribute("data-class");
    await pauseAt(choice("any trap"), "kind == exit", (row) => row.getAttribute("data-kind"), "exit");
    await pauseAt(choice("any leak"), "kind == leak", (row) => row.getAttribute("data-kind"), "leak");
    for (const name of ["privileged", "sensitive", "io", "memory", "exception", "interrupt"]) await pauseAt(choice(name), `class == ${name}`, own, name);
    await pauseAt(async () => {
      await page.getByRole("spinbutton", { name: /more records/ }).fill("7");
      await page.getByRole("button", { name: "Set", exact: true }).click();
    }, `seq >= ${await records() + 6}`, records, await records() + 7);
    await page.click("#technique");
    await page.check("input[name=technique][value=translate]");
    await page.keyboard.press("Escape");
    await pauseAt(choice("call"), "class == call", own, "call");
    await page.fill("#trap-filter", "insn == sgdt");
    await page.keyboard.press("Enter");
    await pauseAt(choice("what the filter passes"), "insn == sgdt", (row) => row.innerText(), expect.stringContaining("sgdt"));
  });

  it("are coloured by rules that a person edits, orders and keeps", async () => {
    await ended("?guest=popf&filter=insn%20%3D%3D%20popf%20and%20kind%20%3D%3D%20leak");
    const colours = (): Promise<(string | null)[]> => page.locator("[role=row][data-kind]").evaluateAll((rows) => [...new Set(rows.map((row) => (row as HTMLElement).dataset.colour ?? null))]);
    await expect.poll(colours).toEqual(["red"]);
    const openRules = async (): Promise<void> => {
      await page.getByRole("button", { name: "Rows", exact: true }).click();
      await page.getByRole("button", { name: "Colours…" }).click();
    };
    const done = (): Promise<void> => page.getByRole("button", { name: "Done" }).click();
    await openRules();
    await page.getByLabel("Filter of Leaks").fill("kind == lek");
    await page.getByText('"lek" is not one of its values.').waitFor();
    expect(await page.getByLabel("Filter of Leaks").getAttribute("aria-invalid")).toBe("true");
    await page.getByLabel("Filter of Leaks").fill("kind == leak");
    await page.getByLabel("Colour of Leaks").selectOption("violet");
    await done();
    await expect.poll(colours).toEqual(["violet"]);
    await openRules();
    await page.getByRole("button", { name: "Add a rule" }).click();
    await page.getByLabel("Filter of New rule").fill("insn == popf");
    await page.getByLabel("Colour of New rule").selectOption("green");
    // The first that passes decides.
    while (await page.getByRole("button", { name: "Move New rule up" }).isEnabled()) await page.getByRole("button", { name: "Move New rule up" }).click();
    await done();
    await expect.poll(colours).toEqual(["green"]);
    await page.reload();
    await page.locator("section[aria-label='End of the run']").waitFor();
    await expect.poll(colours).toEqual(["green"]);
    await openRules();
    await page.getByLabel("Use New rule").uncheck();
    await done();
    await expect.poll(colours).toEqual(["violet"]);
    await openRules();
    await page.getByRole("button", { name: "Delete New rule" }).click();
    await page.getByRole("button", { name: "Put the first ones back" }).click();
    await done();
    await expect.poll(colours).toEqual(["red"]);
    // From a cell: its like, in a colour of their own.
    await page.locator("[role=row][data-kind] [data-column=place]").last().click({ button: "right" });
    await page.getByRole("menuitem", { name: "Colour rows like this…" }).click();
    await done();
    await expect.poll(colours).toEqual(["blue"]);
  });
});

describe("the timeline", () => {
  it("pans and zooms by keyboard, and a stretch that is drawn narrows the table", async () => {
    await ended("?guest=popf");
    const all = await settled(records);
    await page.getByRole("tab", { name: "Timeline" }).click();
    const plot = page.getByRole("application", { name: /^Events from/ });
    await plot.focus();
    const name = (): Promise<string | null> => plot.getAttribute("aria-label");
    const whole = await name();
    await page.keyboard.press("w");
    await expect.poll(name).not.toBe(whole);
    await page.keyboard.press("0");
    await expect.poll(name).toBe(whole);
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.8, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.99, box.y + 60, { steps: 6 });
    await page.mouse.up();
    await page.getByRole("tab", { name: "Traps" }).click();
    await page.getByText("Only guest time").waitFor();
    // The log is searched in slices, between frames: the rows of the stretch come after the words.
    const some = await settled(records);
    expect(some).toBeLessThan(all);
    await page.getByRole("button", { name: "Put it into the filter" }).click();
    await expect.poll(records).toBe(some);
    expect(await filter()).toMatch(/^t in \d+\.\.\d+$/);
    await page.fill("#trap-filter", "");
    await page.getByRole("tab", { name: "Timeline" }).click();
    await page.getByRole("application", { name: /^Events from/ }).focus();
    await page.keyboard.press("Shift+ArrowRight");
    await page.getByRole("button", { name: "Clear the choice" }).click();
  });
});

describe("comparing", () => {
  it("finds where trap and the others part, and says nothing of those that are right", async () => {
    await page.goto(`${site.address}?guest=popf&view=compare&a=emulate&b=trap&c=vtx&autorun=1`);
    const trap = page.getByRole("article", { name: "emulate and trap/1" });
    await trap.getByText("First divergence").or(trap.getByText(/pushfd|popfd/)).first().waitFor();
    expect(await trap.innerText()).toMatch(/After [\d,]+ instructions, pushfd/);
    const vtx = page.getByRole("article", { name: "emulate and vtx/1" });
    await vtx.getByText(/None in [\d,]+ instructions/).waitFor();
    expect(await page.getByRole("region", { name: "By instruction" }).locator("tr", { hasText: /^POPF/ }).innerText()).toContain("1 leaks");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as JSON" }).click();
    const saved = JSON.parse(readFileSync(await (await download).path(), "utf8")) as { runs: { technique: string; report: { outcome: string }; divergence: { divergence: object | null } | null }[] };
    expect(saved.runs.map(({ technique, report }) => [technique, report.outcome])).toEqual([["emulate", "exit-success"], ["trap", "halted"], ["vtx", "exit-success"]]);
    expect(saved.runs[1].divergence?.divergence).not.toBeNull();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy a link" }).click();
    const copied = async (): Promise<object> => Object.fromEntries(new URL(await page.evaluate(() => navigator.clipboard.readText())).searchParams);
    await expect.poll(() => copied().catch(() => null)).toEqual({ guest: "popf", view: "compare", a: "emulate", b: "trap/1", c: "vtx/1", autorun: "1" });
    const picture = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as a picture" }).click();
    const png = readFileSync(await (await picture).path());
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    // Three columns beside the names, drawn twice as large as they are written.
    expect([png.readUInt32BE(16), png.readUInt32BE(20) > 400, png.length > 20_000]).toEqual([2 * (170 + 3 * 190 + 24), true, true]);
    expect(await violations()).toEqual([]);
  });

  it("has room for four, chosen by hand, and says of each what became of it", async () => {
    await page.goto(`${site.address}?view=compare`);
    await page.getByRole("combobox", { name: "Guest" }).selectOption("popf");
    const add = page.getByRole("button", { name: "Add a technique" });
    while ((await page.getByRole("combobox", { name: /^(Reference|Against)/ }).count()) < 4) await add.click();
    expect(await add.count()).toBe(0);
    for (const [at, technique] of ["Reference", "Against, 1", "Against, 2", "Against, 3"].map((label, index) => [label, ["emulate", "trap", "translate", "paravirt"][index]!] as const)) await page.getByRole("combobox", { name: at }).selectOption(technique);
    await page.getByRole("button", { name: "Compare", exact: true }).last().click();
    const ends = async (): Promise<string[]> => page.getByRole("region", { name: "Results" }).getByRole("article").locator("h2 > span").allInnerTexts();
    await expect.poll(async () => (await ends()).slice(0, 4)).toEqual(["exit-success", "halted", "exit-success", "technique-refused"]);
    const head = page.getByRole("region", { name: "Counted and measured" }).locator("thead th[scope=col]");
    expect((await head.allInnerTexts()).slice(1)).toEqual(["emulate", "trap/1", "translate/1", "paravirt/1"]);
    await page.getByRole("article", { name: "emulate and trap/1" }).getByText(/After [\d,]+ instructions, pushfd/).waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as JSON" }).click();
    const saved = JSON.parse(readFileSync(await (await download).path(), "utf8")) as { runs: { technique: string }[] };
    expect(saved.runs.map(({ technique }) => technique)).toEqual(["emulate", "trap", "translate", "paravirt"]);
    // Four abreast on a wide screen; each in sight on a phone.
    const lefts = (): Promise<number> => page.locator("[aria-label=Results] article:has(h2 > span)").evaluateAll((own) => new Set(own.slice(0, 4).map((one) => Math.round(one.getBoundingClientRect().left))).size);
    expect(await lefts()).toBe(4);
    await page.setViewportSize({ width: 390, height: 800 });
    await expect.poll(lefts).toBe(1);
    await page.getByRole("button", { name: "Without paravirt" }).click();
    expect(await add.count()).toBe(1);
  });
});

describe("the layout", () => {
  it("keeps the sizes that a person gave it, per preset", async () => {
    await ended("?guest=popf");
    const bar = page.getByRole("separator", { name: "Width of left side" });
    const width = async (): Promise<number> => (await page.locator("[role=tabpanel]:not([hidden]) .xterm").first().boundingBox())!.width;
    const before = await width();
    await bar.focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
    await expect.poll(width).toBeGreaterThan(before + 60);
    const wide = await width();
    await page.getByRole("button", { name: "Debug", exact: true }).click();
    await page.getByRole("tab", { name: "Disassembly" }).waitFor();
    await ended("?guest=popf&view=learn");
    await expect.poll(async () => Math.abs((await width()) - wide)).toBeLessThan(12);
  });

  it("has the look that is chosen, and forgets it with all settings", async () => {
    await ended("?guest=popf");
    const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.querySelector("header")!).backgroundColor);
    const [look, was] = [page.getByLabel("Look"), await background()];
    await page.getByRole("button", { name: "Settings" }).click();
    await look.selectOption("dark");
    await expect.poll(background).not.toBe(was);
    const dark = await background();
    await look.selectOption("contrast");
    await expect.poll(background).toBe("rgb(0, 0, 0)");
    await look.selectOption("dark");
    await page.getByLabel("Memory of a dropped image").selectOption("32 MB");
    await page.reload();
    await expect.poll(background).toBe(dark);
    await page.getByRole("button", { name: "Settings" }).click();
    expect(await page.getByLabel("Memory of a dropped image").inputValue()).toBe("32");
    await page.getByRole("button", { name: "Forget all settings" }).click();
    await expect.poll(background).toBe(was);
    await expect.poll(() => look.inputValue()).toBe("system");
  });

  it("fits at 400 % zoom and on a phone, without scrolling sideways", async () => {
    for (const [width, height] of [[320, 256], [390, 844]]) {
      await page.setViewportSize({ width, height });
      await ended("?guest=popf");
      // The banner's button leads to what it shows, though another pane was in front.
      await page.getByRole("button", { name: "Show the leaks" }).click();
      await page.locator("[role=row][data-kind=leak]").first().waitFor();
      await page.getByRole("region", { name: "End of the run" }).getByRole("button", { name: "Close" }).click();
      await page.getByRole("region", { name: "End of the run" }).waitFor({ state: "detached" });
      expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBeLessThanOrEqual(0);
    }
    expect(await violations()).toEqual([]);
  });
});

describe("what is loaded", () => {
  it("is small until the first paint, and until the page can be used", async () => {
    const { gzipSync } = await import("node:zlib");
    const seen: { name: string; bytes: number }[] = [];
    page.on("response", (response) => {
      if (/\.(js|css)$/.test(response.url())) void response.body().then((body) => seen.push({ name: response.url(), bytes: gzipSync(body).length }), () => {});
    });
    await page.goto(site.address);
    await page.getByRole("button", { name: "Settings" }).waitFor();
    await page.waitForLoadState("networkidle");
    // The machine's and the storage's workers are no part of what the page waits for.
    const own = seen.filter(({ name }) => !/\/(main|storage-main|run-main)-/.test(name));
    // What index.html itself names; the rest is asked for by scripts.
    const html = await page.evaluate(async () => (await fetch(window.location.pathname)).text());
    const first = own.filter(({ name }) => html.includes(name.split("/").at(-1)!));
    expect(first.length).toBeGreaterThan(0);
    expect(first.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(PAINT_BYTES);
    expect(own.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(INTERACTIVE_BYTES);
  });
});
