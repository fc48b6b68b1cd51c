// The consoles by a person's hands: copying, pasting, finding, the row of keys, the mouse, the speaker, pictures, full screen.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import type { Download } from "playwright-core";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { consoleText, dropFiles, page, serialText, site, usePage, violations, waitForSerial } from "./chromium.ts";
import { inputGuest } from "./input-guest.ts";

usePage();
const folder = mkdtempSync(join(tmpdir(), "trapscope-console-")), INPUT = join(folder, "input.img");
writeFileSync(INPUT, inputGuest());
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => page.context().grantPermissions(["clipboard-read", "clipboard-write"]));

const clipboard = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
const press = (name: string): Promise<void> => page.getByRole("button", { name, exact: true }).click();
const said = (text: RegExp): Promise<void> => page.getByRole("status").filter({ hasText: text }).first().waitFor();

async function tour(): Promise<void> {
  await page.goto(`${site.address}?guest=tour`);
  await waitForSerial(page, "t86>");
}

async function screen(): Promise<void> {
  await page.getByRole("tab", { name: "Screen" }).click();
  await page.getByRole("application", { name: "The guest's screen" }).click();
}

/** Bytes that came from the keyboard (K) or the mouse (M) of the guest, in hexadecimal. */
async function told(who: "K" | "M"): Promise<string[]> {
  await page.getByRole("tab", { name: "Serial" }).click();
  const bytes = [...(await serialText(page)).matchAll(new RegExp(`${who}([0-9A-F]{2})`, "g"))].map(([, byte]) => byte!);
  // A key that is held repeats itself.
  return who === "M" ? bytes : bytes.filter((byte, at) => byte !== bytes[at - 1]);
}

async function inputMachine(): Promise<void> {
  await page.goto(site.address);
  await page.waitForSelector("[data-guest=popf]");
  await dropFiles(page, [INPUT]);
  await waitForSerial(page, ">");
}

function pngSize(path: string): { width: number; height: number; colours: number } {
  const bytes = readFileSync(path);
  expect(bytes.subarray(1, 4).toString()).toBe("PNG");
  const parts: Buffer[] = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.subarray(at + 4, at + 8).toString() === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  }
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), colours: new Set(inflateSync(Buffer.concat(parts))).size };
}

async function screenshot(): Promise<Download> {
  await page.getByRole("button", { name: "More for the console" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), press("Save a screenshot")]);
  return file;
}

describe("copying", () => {
  it("takes what is selected on the serial console, or everything", async () => {
    await tour();
    const row = page.locator("[role=tabpanel]:not([hidden]) .xterm-rows > div", { hasText: "Type help" }), box = (await row.boundingBox())!;
    await page.mouse.dblclick(box.x + 4, box.y + box.height / 2);
    await page.keyboard.press("Control+Shift+KeyC");
    await said(/Selection copied/);
    expect(await clipboard()).toBe("Type");
    await page.mouse.click(box.x + 4, box.y + box.height / 2);
    await press("Copy");
    await said(/Whole console copied/);
    expect(await clipboard()).toMatch(/Type help and press Enter\.\nt86>$/);
  });

  it("takes what is selected on the text screen", async () => {
    await tour();
    await page.getByRole("tab", { name: "Screen" }).click();
    const row = page.locator("[role=tabpanel]:not([hidden]) .xterm-rows > div", { hasText: "Type help" }), box = (await row.boundingBox())!;
    await page.mouse.move(box.x + 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 8 });
    await page.mouse.up();
    await page.keyboard.press("Control+Shift+KeyC");
    await said(/Selection copied/);
    expect(await clipboard()).toMatch(/^Type help and press Enter\./);
  });
});

describe("pasting", () => {
  it("types what the clipboard holds, on the serial line and on the keyboard", async () => {
    await tour();
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").focus();
    await page.evaluate(() => navigator.clipboard.writeText("echo <F1> over the wire\n"));
    await page.keyboard.press("Control+Shift+KeyV");
    await expect.poll(() => serialText(page)).toContain("\n<F1> over the wire");
    await page.evaluate(() => navigator.clipboard.writeText("echo {Keys} <Enter> ~|\\ \"too\"\r\n"));
    await screen();
    // The person's fingers stay on Ctrl and Shift: they must not be held in the guest while it is typed.
    for (const key of ["Control", "Shift"]) await page.keyboard.down(key);
    await page.keyboard.press("KeyV");
    await expect.poll(() => consoleText(page)).toContain('\n{Keys} <Enter> ~|\\ "too"');
    for (const key of ["Shift", "Control"]) await page.keyboard.up(key);
  });

  // IBM's scan codes, set 1: Z is 2Ch, Y 15h, Q 10h, A 1Eh, 0 0Bh; AltGr E0h 38h.
  it.each([
    ["German", "yZ@", ["2C", "AC", "2A", "15", "95", "AA", "E0", "38", "10", "90", "E0", "B8"]],
    ["French", "a0é", ["10", "90", "2A", "0B", "8B", "AA", "03", "83"]],
  ])("presses the keys of a %s keyboard", async (layout, text, codes) => {
    await inputMachine();
    await page.getByRole("tab", { name: "Screen" }).click();
    await press("Paste…");
    await page.getByLabel("Text for the guest").fill(text);
    await page.getByLabel("The guest takes its keyboard for").selectOption({ label: layout });
    await page.getByText("Every character has a key.").waitFor();
    await press("Type it");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await expect.poll(() => told("K")).toEqual(codes);
  });

  it("names the characters that the layout lacks", async () => {
    await tour();
    await page.evaluate(() => navigator.clipboard.writeText("echo naß жж"));
    await screen();
    await page.keyboard.press("Control+Shift+KeyV");
    const dialog = page.getByRole("dialog", { name: "Type a text on the guest's keyboard" });
    await dialog.getByText("This layout has no key for ß (U+00DF), ж (U+0436) × 2.").waitFor();
    expect(await violations()).toEqual([]);
    await dialog.getByLabel("The guest takes its keyboard for").selectOption({ label: "German" });
    await dialog.getByText("no key for ж (U+0436) × 2.").waitFor();
    await dialog.getByRole("button", { name: "Type the rest" }).click();
    await dialog.waitFor({ state: "hidden" });
    // The guest takes its keyboard for a US one: the key of ß types a minus there.
    await expect.poll(() => consoleText(page)).toContain("t86> echo na-");
  });
});

describe("the row of keys", () => {
  it("holds modifiers until the next key, on the serial line", async () => {
    await tour();
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").focus();
    await page.keyboard.type("echo first");
    await page.keyboard.press("Enter");
    await waitForSerial(page, "\nfirst");
    await press("Keys");
    await page.getByRole("button", { name: "Shift", exact: true }).click();
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").focus();
    await page.keyboard.type("ab");
    await waitForSerial(page, "t86> Ab");
    await page.getByRole("button", { name: "Backspace" }).click();
    await page.getByRole("button", { name: "Backspace" }).click();
    await page.keyboard.type("echo by keys");
    await page.getByRole("button", { name: "Enter" }).click();
    await waitForSerial(page, "\nby keys");
    expect(await violations()).toEqual([]);
  });

  it("has the keys of the PC, and chords", async () => {
    await inputMachine();
    await page.getByRole("tab", { name: "Screen" }).click();
    await press("Keys");
    await page.getByRole("button", { name: "Ctrl", exact: true }).click();
    await page.getByRole("button", { name: "F3", exact: true }).click();
    await page.getByRole("button", { name: "SysRq", exact: true }).click();
    await page.getByRole("button", { name: "Esc", exact: true }).click();
    await press("Ctrl+Alt+Del");
    await expect.poll(() => told("K")).toEqual([
      "1D", "3D", "BD", "9D", "38", "54", "01", "81", "D4", "B8", "1D", "38", "E0", "53", "E0", "D3", "B8", "9D",
    ]);
  });
});

describe("the mouse", () => {
  it("goes to the guest when it is given to it, and comes back on Ctrl+Alt", async () => {
    await inputMachine();
    await page.getByRole("tab", { name: "Screen" }).click();
    await page.getByRole("button", { name: "More for the console" }).click();
    await press("Give the mouse to the guest");
    await page.getByText("The guest has the mouse.").waitFor();
    const locked = (): Promise<boolean> => page.evaluate(() => document.pointerLockElement !== null);
    expect(await locked()).toBe(true);
    await page.mouse.move(700, 400);
    await page.mouse.move(710, 394);
    await page.mouse.down();
    await page.mouse.up();
    await page.getByRole("application", { name: "The guest's screen" }).focus();
    await page.keyboard.down("Control");
    await page.keyboard.down("Alt");
    await page.keyboard.up("Alt");
    await page.keyboard.up("Control");
    await page.getByText("The guest has the mouse.").waitFor({ state: "detached" });
    expect(await locked()).toBe(false);
    // Packets of three bytes: flags with the buttons, 10 to the right, 6 up, which is positive for a PS/2 mouse. The acknowledgement of F4h comes first.
    const packets = async (): Promise<string> => (await told("M")).join(" ");
    await expect.poll(packets).toMatch(/^FA .*0[89] 0A 06 .*08 00 00$/);
  });
});

describe("sound", () => {
  it("is silent until asked for, then has the tone that the guest programmed, and the cone that it moves", async () => {
    await page.addInitScript(() => {
      const heard: { hz: number; at: number }[] = [];
      Object.assign(window, { heard });
      const cones: AudioParam[] = [], levels: number[] = [];
      Object.assign(window, { levels });
      window.ConstantSourceNode = class extends ConstantSourceNode {
        constructor(context: BaseAudioContext, options?: ConstantSourceOptions) {
          super(context, options);
          cones.push(this.offset);
        }
      };
      const own = AudioParam.prototype.setValueAtTime;
      AudioParam.prototype.setValueAtTime = function (value, at) {
        if (this.maxValue > 1000 && this.maxValue < 1e6) heard.push({ hz: value, at });
        if (cones.includes(this)) levels.push(value);
        return own.call(this, value, at);
      };
    });
    const heard = (): Promise<{ hz: number; at: number }[]> => page.evaluate(() => (window as unknown as { heard: { hz: number; at: number }[] }).heard);
    await inputMachine();
    await screen();
    await page.keyboard.press("F1");
    await page.keyboard.press("F2");
    await page.waitForTimeout(300);
    expect(await heard()).toEqual([]);
    await press("Sound");
    await page.getByRole("application", { name: "The guest's screen" }).focus();
    await page.keyboard.press("F1");
    // 1.193182 MHz / 1193.
    await expect.poll(async () => Math.round((await heard()).at(-1)?.hz ?? 0)).toBe(1000);
    await page.keyboard.press("F2");
    await page.evaluate(() => (window as unknown as { levels: number[] }).levels.splice(0));
    await page.keyboard.press("F3");
    // Out, and in again.
    await expect.poll(() => page.evaluate(() => (window as unknown as { levels: number[] }).levels.map(Math.round))).toEqual(expect.arrayContaining([1, 0]));
    expect(await page.evaluate(() => (window as unknown as { levels: number[] }).levels.at(-1))).toBe(0);
  });
});

describe("pictures", () => {
  it("of the screen are as the adapter draws it, of a terminal as it is shown", async () => {
    await tour();
    const path = join(folder, "serial.png");
    await (await screenshot()).saveAs(path);
    expect(pngSize(path)).toMatchObject({ colours: expect.any(Number) as number });
    expect(pngSize(path).width).toBeGreaterThan(600);
    await page.getByRole("tab", { name: "Screen" }).click();
    await (await screenshot()).saveAs(path);
    const { width, height, colours } = pngSize(path);
    expect([[720, 400], [640, 400]]).toContainEqual([width, height]);
    expect(colours).toBeGreaterThan(3);
  });
});

describe("searching", () => {
  it("finds what scrolled away, newest first, and says how often", async () => {
    await tour();
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").focus();
    for (const text of ["Needle one", "x", "needle two"]) {
      await page.keyboard.type(`echo ${text}`);
      await page.keyboard.press("Enter");
      await waitForSerial(page, `\n${text}`);
    }
    await page.keyboard.press("Control+Shift+KeyF");
    await page.keyboard.type("NEEDLE");
    const status = page.getByRole("search").getByRole("status");
    await expect.poll(() => status.innerText()).toBe("4 of 4");
    await page.keyboard.press("Enter");
    await expect.poll(() => status.innerText()).toBe("3 of 4");
    await page.getByRole("searchbox").fill("no such thing");
    await expect.poll(() => status.innerText()).toBe("not found");
    await page.keyboard.press("Escape");
    await page.getByRole("search").waitFor({ state: "detached" });
    await page.keyboard.type("echo back at the guest");
    await waitForSerial(page, "back at the guest");
  });
});

describe("for screen readers", () => {
  it("stands as text beside the screen, and what changes is spoken", async () => {
    await tour();
    // A terminal draws its text; for a screen reader it keeps a list of its rows.
    const rows = page.getByRole("tabpanel").filter({ visible: true }).locator(".xterm-accessibility [role=listitem]");
    expect(await rows.count()).toBe(0);
    await page.getByRole("button", { name: "More for the console" }).click();
    await page.getByLabel("For screen readers").check();
    await page.keyboard.press("Escape");
    await expect.poll(() => rows.filter({ hasText: "Type help and press Enter." }).count()).toBe(1);
    await page.getByRole("tab", { name: "Screen" }).click();
    await expect.poll(() => page.getByRole("textbox", { name: "The screen as text" }).inputValue()).toContain("Type help and press Enter.");
    await screen();
    await page.keyboard.type("echo spoken");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.getByRole("log", { name: "What changed on the screen" }).innerText()).toContain("spoken");
    expect(await violations()).toEqual([]);
  });
});

describe("full screen", () => {
  it("shows the console alone, and leaves on its button", async () => {
    await tour();
    await press("Full screen");
    await expect.poll(() => page.evaluate(() => document.fullscreenElement?.querySelector("[role=tablist]")?.getAttribute("aria-label"))).toBe("Consoles");
    await press("Leave full screen");
    await expect.poll(() => page.evaluate(() => document.fullscreenElement)).toBeNull();
  });
});
