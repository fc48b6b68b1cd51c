// The debugger as a person uses it: steps in both directions, breakpoints, memory, tables, chips, a program of one's own, snapshots,
// and a recording that Node replays.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Download } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assemble } from "../../src/isa/assembler.ts";
import { configureBoot } from "../../src/machine/boot/boot-request.ts";
import { Machine } from "../../src/machine/machine.ts";
import { decodeRecording, endOf, recordedFile } from "../../src/machine/recording.ts";
import { History } from "../../src/machine/replay.ts";
import { dropFiles, page, site, usePage, violations, waitForSerial } from "./chromium.ts";

let folder: string;

usePage({ width: 1500, height: 950 });
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trapscope-debugger-"));
});
afterAll(() => {
  if (folder) rmSync(folder, { recursive: true });
});

const open = (query: string): Promise<unknown> => page.goto(`${site.address}?view=debug&${query}`);
const tab = (name: string): Promise<void> => page.getByRole("tab", { name, exact: true }).click();
const instant = async (): Promise<number> => Number((await page.locator("[data-instant]").getAttribute("data-instant")) ?? -1);
const nextAddress = async (): Promise<string | null> => page.locator("[aria-label=Code] > [aria-current=step]").getAttribute("data-address");
const stopped = (): Promise<unknown> => page.waitForSelector("[data-instant]");

async function back(choose: () => Promise<void>): Promise<number> {
  const before = await instant();
  await choose();
  await expect.poll(instant, { timeout: 30_000 }).not.toBe(before);
  return instant();
}

async function download(press: () => Promise<void>): Promise<{ download: Download; path: string }> {
  const [file] = await Promise.all([page.waitForEvent("download"), press()]);
  const path = join(folder, file.suggestedFilename());
  await file.saveAs(path);
  return { download: file, path };
}

describe("time", () => {
  it("goes back to the leak that stopped the guest, and forward to the same end", async () => {
    await open("guest=popf&technique=trap");
    await page.waitForSelector("text=The guest halted", { timeout: 60_000 });
    await stopped();
    const end = await instant(), place = await nextAddress();
    await page.locator("body").press("Shift+F11");
    await expect.poll(instant).toBe(end - 1);
    await back(async () => {
      await page.getByRole("button", { name: "Run back" }).click();
      await page.getByRole("button", { name: "To the previous leak" }).click();
    });
    await expect.poll(() => page.locator("[aria-label=Code] > [aria-current=step]").innerText()).toContain("popf");
    await page.getByRole("button", { name: "Step forward" }).click();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForSelector("text=The guest halted", { timeout: 60_000 });
    await expect.poll(instant).toBe(end);
    await expect.poll(nextAddress).toBe(place);
  });
});

describe("stepping out", () => {
  it("ends behind the call, whatever the function calls before", async () => {
    // 7C00h call outer; 7C03h jmp 7C00h; outer: 7C05h push ax, call inner, pop ax, ret; inner: ret.
    const { bytes } = assemble("org 0x7c00\nmain: call outer\njmp main\nouter: push ax\ncall inner\npop ax\nret\ninner: ret\ntimes 510-($-$$) db 0\ndw 0xaa55");
    const image = join(folder, "calls.img");
    writeFileSync(image, bytes);
    await page.goto(`${site.address}?view=debug`);
    await page.waitForSelector("[data-guest=popf]");
    await dropFiles(page, [image]);
    await tab("Breakpoints");
    await page.getByLabel("Kind of breakpoint").selectOption({ label: "Code at" });
    await page.locator("form[aria-label='New breakpoint'] input[type=text]").fill("7c05");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await tab("Disassembly");
    await expect.poll(nextAddress, { timeout: 30_000 }).toBe("00007c05");
    await page.getByRole("button", { name: "Out", exact: true }).click();
    await expect.poll(nextAddress, { timeout: 30_000 }).toBe("00007c03");
  });
});

describe("breakpoints, memory, tables and chips", () => {
  it("stop the machine, show it and change it", async () => {
    await open("guest=tour");
    await waitForSerial(page, "t86>");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await stopped();
    // One in the margin of the code that runs next.
    await tab("Breakpoints");
    const add = async (kind: string, text: string): Promise<void> => {
      await page.getByLabel("Kind of breakpoint").selectOption({ label: kind });
      await page.locator("form[aria-label='New breakpoint'] input[type=text]").fill(text);
      await page.getByRole("button", { name: "Add", exact: true }).click();
    };
    await add("Port", "3f8");
    await add("Instruction", "FROB");
    await page.waitForSelector("text=FROB is no instruction or class.");
    await page.getByRole("button", { name: "Remove instruction FROB" }).click();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await page.keyboard.type("e");
    await page.waitForSelector("text=stopped here", { timeout: 30_000 });
    expect(await violations()).toEqual([]);
    await page.getByRole("checkbox", { name: /port 03f8/ }).uncheck();
    await tab("Disassembly");
    const line = page.locator("[aria-label=Code] > li").nth(6), address = await line.getAttribute("data-address");
    await line.getByRole("button").click();
    await expect.poll(() => line.getByRole("button").getAttribute("aria-pressed")).toBe("true");
    expect(await violations()).toEqual([]);
    await line.click();
    await page.locator("[aria-label=Code]").press("F9");
    await expect.poll(() => line.getByRole("button").getAttribute("aria-pressed")).toBe("false");
    expect(address).toMatch(/^[0-9a-f]{8}$/);

    await page.getByLabel("Show memory at").fill("500");
    await page.getByLabel("Show memory at").press("Enter");
    await page.locator("[aria-label='Memory, hexadecimal']").focus();
    await page.keyboard.type("5a");
    await expect.poll(() => page.locator("[aria-label='Memory, hexadecimal']").innerText()).toContain("00000500");
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector("text=00000500: byte 5a");
    expect(await violations()).toEqual([]);

    await tab("Tables");
    for (const name of ["GDT", "IDT", "TSS", "TLB", "LDT", "Pages"]) {
      await page.getByRole("button", { name, exact: true }).click();
      await expect.poll(() => page.locator("[aria-label^='Table:']").innerText()).not.toBe("");
    }
    expect(await violations()).toEqual([]);
    await tab("Devices");
    for (const [chip, text] of [["8259A", "requested"], ["8254", "Counter 0"], ["uart0", "baud"], ["vga", "CRTC"], ["MC146818A", "CMOS RAM"], ["i440fx", "8086:1237"]] as const) {
      await page.locator(`[data-chip="${chip}"]`).click();
      await expect.poll(() => page.locator("[role=region] > h2").locator("..").innerText()).toContain(text);
    }
    expect(await violations()).toEqual([]);
  });
});

describe("a program of one's own", () => {
  it("is assembled, booted, and says where it is wrong", async () => {
    await open("guest=popf&technique=emulate");
    await stopped();
    await tab("Program");
    const editor = page.locator("textarea[aria-label=Program]");
    await editor.fill("org 0x7c00\nmov al, bx\n");
    await page.waitForSelector("text=Line 2: mov does not take these operands");
    expect(await page.getByRole("button", { name: "Boot it" }).isDisabled()).toBe(true);
    await editor.fill('org 0x7c00\nmov si, text\nagain: lodsb\ntest al, al\njz done\nout 0xe9, al\njmp again\ndone: xor al, al\nout 0xf4, al\ntext: db "made here", 0\n');
    expect(await violations()).toEqual([]);
    await page.getByRole("button", { name: "Boot it" }).click();
    // popf ended with success, too.
    await page.waitForSelector("text=Scratch program · 16 MB");
    await page.waitForSelector("text=The guest ended with success", { timeout: 30_000 });
    await page.getByRole("tab", { name: "Debug port" }).click();
    await waitForSerial(page, "made here");
  });
});

describe("files", () => {
  it("a snapshot comes back in another tab, and is refused over another image", async () => {
    await open("guest=tour");
    await waitForSerial(page, "t86>");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await stopped();
    await tab("Time");
    const at = await instant();
    const { path } = await download(() => page.getByRole("button", { name: "Save snapshot" }).click());
    expect(await violations()).toEqual([]);
    await page.reload();
    await waitForSerial(page, "t86>");
    await tab("Time");
    await page.getByLabel("Snapshot file").setInputFiles(path);
    await page.waitForSelector("text=restored, and paused");
    await expect.poll(instant).toBe(at);
    // The browser keeps one, too.
    await page.getByRole("button", { name: "Keep it now" }).click();
    await page.waitForSelector("text=The machine as it was on");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForTimeout(300);
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await expect.poll(instant).not.toBe(at);
    await page.getByRole("button", { name: "Continue from there" }).click();
    await expect.poll(instant, { timeout: 20_000 }).toBe(at);
    await open("guest=rings");
    await tab("Time");
    await page.getByLabel("Snapshot file").setInputFiles(path);
    await page.waitForSelector("text=cannot be restored");
    await page.getByRole("dialog").getByRole("button").first().click();
  });

  it("a recording of a run at wall time, with typed input, replays in Node to the same state and log", async () => {
    await open("guest=tour&technique=trap");
    await waitForSerial(page, "t86>");
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await page.keyboard.type("echo recorded");
    await page.keyboard.press("Enter");
    await waitForSerial(page, "\nrecorded");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await stopped();
    await tab("Time");
    const { path } = await download(() => page.getByRole("button", { name: "Save recording" }).click());
    const recording = decodeRecording(new Uint8Array(readFileSync(path)));
    const image = new Uint8Array(readFileSync("public/guests/tour.img"));
    const named = { name: "tour.img", source: { size: image.length, read: (offset: number, into: Uint8Array) => into.set(image.subarray(offset, offset + into.length)) } };
    expect(recording.files).toEqual([{ ...recordedFile("fda", named), name: recording.files[0]?.name }]);
    const { memoryBytes, cpu, technique, ring, set, clock, epochMs } = recording.machine;
    expect([clock, technique]).toEqual(["paced", "trap"]);
    const machine = new Machine({ memoryBytes, cpu, technique, ring, set, clock, epochMs, ...configureBoot({ memoryBytes, drives: { fda: named } }).machine });
    History.replayed(machine, recording.inputs, recording.end.retired);
    expect(endOf(machine)).toEqual(recording.end);
  });

  it("symbols dropped beside the guest name the code", async () => {
    await open("guest=popf&technique=emulate");
    await page.waitForSelector("text=The guest ended", { timeout: 60_000 });
    await stopped();
    const address = (await nextAddress()) ?? "";
    const path = join(folder, "System.map");
    writeFileSync(path, `${address} T where_it_stands\n${(Number.parseInt(address, 16) + 64).toString(16).padStart(8, "0")} T behind\n`);
    await dropFiles(page, [path]);
    await page.waitForSelector("text=where_it_stands:");
    await page.getByLabel("Show code at").fill("behind");
    await page.getByLabel("Show code at").press("Enter");
    await page.waitForSelector("text=behind:");
  });
});
