// A person's way through the page, in a real browser: drop an image, type, switch the technique, look at what trapped.

import { readFileSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { readJsonl } from "../../src/trace/jsonl.ts";
import { browser, consoleText, directory, dropFiles, expectRefusals, HEADERS, page, serve, site, usePage, waitForSerial } from "./chromium.ts";

const TOUR = "public/guests/tour.img";

usePage();

async function open(query = ""): Promise<void> {
  await page.goto(site.address + query);
  await page.waitForSelector("footer");
  await page.waitForSelector("[data-guest=popf], section[aria-label=Traps]");
}

/** The rows in sight; more exist only as numbers. */
function rows(kind: "exit" | "leak" | "observed", text: string): ReturnType<Page["locator"]> {
  return page.locator(`[role=row][data-kind=${kind}]`, { hasText: text });
}

async function totals(): Promise<{ traps: number; leaks: number; observed: number }> {
  const read = async (name: string): Promise<number> => Number((await page.locator(`[data-total^="${name}"] > span`).first().evaluate((own) => own.firstChild?.textContent ?? "")).replaceAll(",", ""));
  return { traps: await read("traps"), leaks: await read("leaks"), observed: await read("observed") };
}

async function type(text: string): Promise<void> {
  await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** A temporary file of these bytes. */
function temporary(name: string, bytes: Uint8Array): string {
  const path = join(mkdtempSync(join(tmpdir(), "trapscope-drop-")), name);
  writeFileSync(path, bytes);
  return path;
}

describe("a dropped image", () => {
  it("boots, takes what is typed, and shows what traps once the technique is switched", async () => {
    await open();
    await dropFiles(page, [TOUR]);
    await waitForSerial(page, "t86>");
    await type("echo one two");
    await waitForSerial(page, "\none two");

    // Under emulate everything is observed and nothing traps.
    await expect.poll(async () => (await totals()).observed).toBeGreaterThan(0);
    expect((await totals()).traps).toBe(0);

    await page.click("#technique");
    await page.check("input[name=technique][value=trap]");
    await page.keyboard.press("Escape");
    await type("sensitive");
    await expect.poll(async () => (await totals()).traps).toBeGreaterThan(0);
    await page.waitForSelector("[role=row][data-kind=exit]");

    await page.fill("#trap-filter", "kind == leak and insn == sgdt");
    await page.waitForFunction(() => {
      const shown = [...document.querySelectorAll("[role=row][data-kind]")];
      return shown.length > 0 && shown.every((row) => row.textContent?.includes("sgdt"));
    });
    await rows("leak", "sgdt").first().click();
    const detail = page.locator("aside");
    await detail.waitFor();
    await expect.poll(() => detail.innerText()).toMatch(/Why is this sensitive/i);
    await expect.poll(() => detail.innerText()).toContain("bare metal");

    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "JSON lines" }).click();
    const { header, traps } = readJsonl(readFileSync(await (await download).path(), "utf8"));
    expect(header).toMatchObject({ technique: "trap", ring: 1 });
    expect(traps.length).toBeGreaterThan(0);
    expect(traps.every((trap) => trap.kind === "leak" && trap.instruction === "SGDT" && trap.observed !== trap.expected)).toBe(true);
  });

  it("can be put on a drive of the person's choice, beside a second one", async () => {
    await open();
    const second = temporary("second.img", readFileSync("public/guests/popf.img"));
    await dropFiles(page, [TOUR, second]);
    const dialog = page.locator("dialog");
    await dialog.waitFor();
    expect(await dialog.locator("select").evaluateAll((own) => own.map((select) => (select as HTMLSelectElement).value))).toEqual(["fda", "fdb"]);
    await dialog.getByRole("button", { name: "Boot", exact: true }).click();
    await waitForSerial(page, "t86>");
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["empty.img", new Uint8Array(0), /empty/i],
    ["notes.txt", new TextEncoder().encode("Nothing to boot here, only words.\n".repeat(40)), /text file/i],
    ["noise.bin", Uint8Array.from({ length: 700 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 0xff), /boot signature|sector/i],
    ["blank.img", new Uint8Array(1_474_560), /zeros|blank|signature/i],
  ])("that is of no use says so: %s", async (name, bytes, message) => {
    await open();
    await dropFiles(page, [temporary(name, bytes)]);
    const dialog = page.locator("dialog");
    await dialog.waitFor();
    expect(await dialog.innerText()).toMatch(message);
  });
});

describe("a bundled guest", () => {
  it("has its first trap in the panel after one click, and the lost POPF as a leak", async () => {
    await open();
    await page.click("[data-guest=popf]");
    // How soon: first-trap.test.ts.
    await page.waitForSelector("[role=row][data-kind=exit]");
    const banner = page.locator("section[aria-label='End of the run']");
    await banner.waitFor();
    expect(await banner.innerText()).toContain("nothing can wake it");
    await expect.poll(() => banner.innerText()).toContain("popf");
    await banner.getByRole("button", { name: "Show the leaks" }).click();
    await rows("leak", "popf").first().waitFor();
    expect(await rows("leak", "popf").first().innerText()).toContain("IF stays 0");
  });

  it("runs from the address bar, with the registers of both views", async () => {
    await open("?guest=tables&technique=trap&ring=3&filter=kind%20%3D%3D%20leak");
    await rows("leak", "sgdt").first().waitFor();
    expect(await page.inputValue("#trap-filter")).toBe("kind == leak");
    expect(await page.locator("#technique").innerText()).toContain("ring 3");
    await expect.poll(() => page.locator("[role=region][aria-label=Registers]").innerText()).toContain("GDTR");
  });

  it("is given away by a link that opens it with its technique, settings, filter, layout and lab", async () => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const copied = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
    await page.goto(`${site.address}?lab=L2`);
    await page.getByRole("button", { name: "Copy a link to this lab" }).click();
    await expect.poll(copied).toBe(`${site.address}?lab=L2`);
    await page.getByRole("button", { name: "Guests", exact: true }).click();
    await page.getByRole("button", { name: /^tables/ }).first().click();
    await page.locator("section[aria-label='End of the run']").waitFor();
    await page.click("#technique");
    await page.getByRole("radio", { name: "ring 3" }).check();
    await page.getByRole("checkbox", { name: /umip/ }).check();
    await page.keyboard.press("Escape");
    await page.fill("#trap-filter", "insn == sgdt");
    await page.getByRole("button", { name: "Debug", exact: true }).click();
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await page.getByRole("button", { name: "Copy the link" }).click();
    await page.getByRole("status").filter({ hasText: /^Copied\.$/ }).waitFor();
    const link = await copied();
    expect(Object.fromEntries(new URL(link).searchParams)).toEqual({ guest: "tables", ring: "3", set: "umip:on", lab: "L2", filter: "insn == sgdt", view: "debug" });
    await page.goto("about:blank");
    await page.goto(link);
    // Under UMIP what leaked traps.
    await rows("exit", "sgdt").first().waitFor();
    expect(await page.locator("#technique").innerText()).toMatch(/trap.*ring 3.*umip/s);
    // All of it in one line, on a laptop as well.
    for (const width of [1400, 1280, 1120]) {
      await page.setViewportSize({ width, height: 900 });
      await expect.poll(async () => [width, Math.round((await page.locator("header").boundingBox())!.height / 46)]).toEqual([width, 1]);
    }
    expect(await page.inputValue("#trap-filter")).toBe("insn == sgdt");
    await page.getByRole("tab", { name: "Disassembly" }).waitFor();
    await page.getByRole("region", { name: "Lab L2" }).waitFor();
    // A file of one's own is in no link, which is said.
    await page.goto(site.address);
    await dropFiles(page, [TOUR]);
    await waitForSerial(page, "t86>");
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await page.getByText(/^Without tour.img/).waitFor();
    expect(await page.inputValue("#share-link")).not.toContain("tour");
  });

  it("stops, steps, goes to the next trap and on", async () => {
    await open("?guest=tour&technique=trap");
    await waitForSerial(page, "t86>");
    await page.locator("body").press("F8");
    await page.locator("footer [role=status]", { hasText: "paused" }).waitFor();
    const eip = page.locator("[aria-label=Registers] dl > div", { has: page.locator("dt", { hasText: /^EIP$/ }) }).locator("dd");
    const records = async (): Promise<number> => Number(await page.locator("[role=grid]").getAttribute("aria-rowcount"));
    const [place, before] = [await eip.innerText(), await records()];
    await page.locator("body").press("F11");
    await page.locator("footer [role=status]", { hasText: "one instruction" }).waitFor();
    await page.locator("body").press("Shift+F10");
    await page.locator("footer [role=status]", { hasText: "at a trap" }).waitFor();
    await expect.poll(records).toBeGreaterThan(before);
    await expect.poll(() => eip.innerText()).not.toBe(place);
    await page.locator("body").press("F8");
    await type("echo still alive");
    await waitForSerial(page, "\nstill alive");
  });

  it("takes the keyboard at its screen and gives it back on Ctrl+Alt", async () => {
    await open("?guest=tour");
    await waitForSerial(page, "t86>");
    await page.getByRole("tab", { name: "Screen" }).click();
    const screen = page.locator("[role=application]");
    await screen.click();
    await page.keyboard.type("echo from the keyboard");
    await page.keyboard.press("Enter");
    await expect.poll(() => consoleText(page)).toContain("\nfrom the keyboard");
    await page.keyboard.down("Control");
    await page.keyboard.down("Alt");
    await page.keyboard.up("Alt");
    await page.keyboard.up("Control");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("role"))).toBe("tab");
  });
});

describe("the page", () => {
  it("names the header that is missing when it cannot share memory", async () => {
    const plain = await serve(directory, { "Cross-Origin-Opener-Policy": "same-origin" });
    // A service worker would add it.
    const context = await browser.newContext({ serviceWorkers: "block" });
    const bare = await context.newPage();
    await bare.goto(plain.address);
    const alert = bare.locator("[role=alert]");
    await alert.waitFor();
    expect(await alert.innerText()).toContain("does not send Cross-Origin-Embedder-Policy");
    await alert.getByRole("button", { name: "What is missing" }).click();
    await bare.getByRole("dialog").getByText("Cross-Origin-Embedder-Policy: require-corp").first().waitFor();
    await context.close();
    plain.close();
  });

  it("compiles WebAssembly and no text, and asks no other host, in the page and in its workers", async () => {
    await open();
    const refused: string[] = [];
    page.on("console", (message) => void (/Content Security Policy/i.test(message.text()) && refused.push(message.text())));
    // Behind a timer: what a debugger evaluates at once is exempt.
    const tried = `new Promise((resolve) => setTimeout(() => { try { resolve(new Function("return 1")()); } catch (error) { resolve(error.name); } }))`;
    expect(await page.evaluate(tried)).toBe("EvalError");
    expect(page.workers().length).toBeGreaterThan(0);
    for (const worker of page.workers()) expect([await worker.evaluate(tried), await worker.evaluate("WebAssembly.validate(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))")]).toEqual(["EvalError", true]);
    // The same words in both places: the page's own and the host's.
    const own = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(readFileSync("index.html", "utf8"))?.[1];
    expect(own?.replace(" ws:", "")).toBe(HEADERS["Content-Security-Policy"]);
    // What would be asked of others is refused, and every test of this suite would be told.
    await page.evaluate(() => { new Image().src = "http://127.0.0.1:9/x.png"; });
    await expect.poll(() => refused.join()).toContain("img-src");
    for (const worker of page.workers()) {
      expect(await worker.evaluate(`new Promise((resolve) => { addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective)); fetch("http://127.0.0.1:9/").catch(() => {}); })`)).toBe("connect-src");
    }
    expectRefusals();
  });

  it("says what an unknown value in the address could be, and stays usable", async () => {
    await open("?guest=nothing&technique=magic");
    await page.getByText("technique=magic is unknown").waitFor();
    await page.getByText(/guest=nothing is unknown: use one of .*popf/).waitFor();
    await page.click("[data-guest=compute]");
    await page.locator("footer [role=status]", { hasText: "running" }).waitFor();
  });
});
