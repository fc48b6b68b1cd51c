// The trap panel, the timeline, the comparison and the layout, by a person's hands: real keys and a real pointer, nothing of the app's own.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readJsonl } from "../../src/trace/jsonl.ts";
import { dropFiles, page, site, usePage, violations } from "./chromium.ts";

const PAINT_BYTES = 100 * 1024, INTERACTIVE_BYTES = 260 * 1024;

usePage();

/** A guest that has ended: nothing moves any more. */
async function ended(query: string): Promise<void> {
  await page.goto(site.address + query);
  await page.locator("section[aria-label='End of the run']").waitFor({ timeout: 60_000 });
}

const filter = (): Promise<string> => page.inputValue("#trap-filter");
const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
const records = async (): Promise<number> => Number(await page.locator("[role=grid]").getAttribute("aria-rowcount")) - 1;

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

  it("comes from any cell, by pointer and by keyboard", async () => {
    await ended("?guest=popf&filter=kind%20%3D%3D%20leak");
    await page.locator("[role=row][data-kind=leak] [data-column=insn]", { hasText: "popf" }).click({ button: "right" });
    await page.getByRole("menuitem", { name: /Show only/ }).click();
    expect(await filter()).toBe("insn == POPF");
    await page.getByRole("grid").press("ArrowUp");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: /Hide/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    expect(await filter()).toMatch(/^insn == POPF and \(not (kind|reason) == /);
    expect(await focused()).toBe("Trap log");
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
    expect(await page.locator("[role=row][aria-selected=true]").innerText()).toContain("sldt");
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
    expect(await records()).toBe(5);
    expect(await page.locator("[role=row][data-marked]").count()).toBe(2);
    await page.getByRole("tab", { name: "Timeline" }).click();
    await page.getByRole("button", { name: "As a table" }).click();
    expect(await page.getByRole("region", { name: "Timeline as a table" }).innerText()).toMatch(/leaks/);
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

  it("go to Perfetto as trace events", async () => {
    await ended("?guest=popf");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "Perfetto trace" }).click();
    const { traceEvents } = JSON.parse(readFileSync(await (await download).path(), "utf8")) as { traceEvents: { ph: string; name: string }[] };
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
    expect(await page.locator("[role=row][data-kind]").first().innerText()).toContain("popf");
  });

  it("explain themselves: bytes, registers, techniques", async () => {
    await ended("?guest=popf&filter=insn%20%3D%3D%20cli%20and%20kind%20%3D%3D%20exit");
    await page.locator("[role=row][data-kind=exit] [data-column=insn]").last().click();
    const detail = page.locator("aside[aria-label^=Record]");
    await detail.getByText("What each technique does here").waitFor();
    expect(await detail.innerText()).toMatch(/EFLAGS\s+[0-9a-f]{8}\s+[0-9a-f]{8}IF 1→0/);
    expect(await detail.locator("tr", { hasText: /^translate/ }).innerText()).toContain("inline");
    expect(await detail.locator("tr[aria-current]").innerText()).toContain("trap");
    expect(await detail.innerText()).toContain("Intel SDM, Vol. 2A, CLI");
  });

  it("stop the machine where one is asked for", async () => {
    await page.goto(`${site.address}?guest=tour&technique=trap`);
    await page.waitForSelector("[role=row][data-kind=exit]");
    await page.getByRole("button", { name: "Pause on", exact: true }).click();
    await page.getByRole("button", { name: "privileged", exact: true }).click();
    await page.locator("footer [role=status]", { hasText: "paused" }).waitFor();
  });
});

describe("the timeline", () => {
  it("pans and zooms by keyboard, and a stretch that is drawn narrows the table", async () => {
    await ended("?guest=popf");
    const all = await records();
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
    // The rows of the stretch come from the worker, after the words.
    await expect.poll(records).toBeGreaterThan(0);
    const some = await records();
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
    await trap.getByText("First divergence").or(trap.getByText(/pushfd|popfd/)).first().waitFor({ timeout: 120_000 });
    expect(await trap.innerText()).toMatch(/After [\d,]+ instructions, pushfd/);
    const vtx = page.getByRole("article", { name: "emulate and vtx/1" });
    await vtx.getByText(/None in [\d,]+ instructions/).waitFor({ timeout: 120_000 });
    expect(await page.getByRole("region", { name: "By instruction" }).locator("tr", { hasText: /^POPF/ }).innerText()).toContain("1 leaks");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as JSON" }).click();
    const saved = JSON.parse(readFileSync(await (await download).path(), "utf8")) as { runs: { technique: string; report: { outcome: string }; divergence: { divergence: object | null } | null }[] };
    expect(saved.runs.map(({ technique, report }) => [technique, report.outcome])).toEqual([["emulate", "exit-success"], ["trap", "halted"], ["vtx", "exit-success"]]);
    expect(saved.runs[1].divergence?.divergence).not.toBeNull();
    const picture = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as a picture" }).click();
    expect(readFileSync(await (await picture).path()).subarray(1, 4).toString()).toBe("PNG");
    expect(await violations()).toEqual([]);
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

  it("fits at 400 % zoom and on a phone, without scrolling sideways", async () => {
    for (const [width, height] of [[320, 256], [390, 844]]) {
      await page.setViewportSize({ width, height });
      await ended("?guest=popf");
      // The banner's button leads to what it shows, though another pane was in front.
      await page.getByRole("button", { name: "Show the leaks" }).click();
      await page.locator("[role=row][data-kind=leak]").first().waitFor();
      await page.getByRole("region", { name: "End of the run" }).getByRole("button", { name: "Close" }).click();
      expect(await page.getByRole("region", { name: "End of the run" }).count()).toBe(0);
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
