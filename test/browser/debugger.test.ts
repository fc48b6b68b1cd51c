// The debugger as a person uses it: steps in both directions, breakpoints, memory, tables, chips, a program of one's own, snapshots,
// and a recording that Node replays.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Download } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assemble } from "../../src/isa/assembler.ts";
import type { NamedSource } from "../../src/machine/boot/boot-request.ts";
import { recordedMachine } from "../../src/machine/recorded-machine.ts";
import { decodeRecording, endOf, recordedFile } from "../../src/machine/recording.ts";
import { History } from "../../src/machine/replay.ts";
import { dropFiles, page, serialText, site, usePage, violations, waitForSerial } from "./chromium.ts";

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

const named = (name: string, image: Uint8Array): NamedSource => ({ name, source: { size: image.length, read: (offset, into) => into.set(image.subarray(offset, offset + into.length)) } });

async function back(choose: () => Promise<void>): Promise<number> {
  const before = await instant();
  await choose();
  await expect.poll(instant).not.toBe(before);
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
    await page.waitForSelector("text=The guest halted");
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
    await page.waitForSelector("text=The guest halted");
    await expect.poll(instant).toBe(end);
    await expect.poll(nextAddress).toBe(place);
  });
});

/** A symbol table as a linker writes it (TIS ELF 1.2): functions of an executable that is no kernel for this machine. */
function elfSymbols(symbols: ReadonlyMap<string, number>): Uint8Array {
  const names = ["", ...symbols.keys()], offsets: number[] = [];
  let strings = "";
  for (const name of names) {
    offsets.push(strings.length);
    strings += `${name}\0`;
  }
  const table = 52, text = table + names.length * 16, sections = Math.ceil((text + strings.length) / 4) * 4, bytes = new Uint8Array(sections + 3 * 40), view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  [[16, 2], [18, 3], [46, 40], [48, 3], [50, 0]].forEach(([at, value]) => view.setUint16(at!, value!, true)); // ET_EXEC, EM_386, three sections
  view.setUint32(32, sections, true);
  names.forEach((name, n) => {
    if (n === 0) return;
    view.setUint32(table + n * 16, offsets[n]!, true);
    view.setUint32(table + n * 16 + 4, symbols.get(name)!, true);
    bytes[table + n * 16 + 12] = 0x12; // global function
    view.setUint16(table + n * 16 + 14, 1, true);
  });
  bytes.set(new TextEncoder().encode(strings), text);
  const section = (n: number, words: readonly number[]): void => words.forEach((word, at) => view.setUint32(sections + n * 40 + at * 4, word, true));
  section(1, [0, 2, 0, 0, table, names.length * 16, 2, 1, 4, 16]); // SHT_SYMTAB, its names in section 2
  section(2, [0, 3, 0, 0, text, strings.length, 0, 0, 1, 0]); // SHT_STRTAB
  return bytes;
}

describe("a program that goes round", () => {
  const { bytes, symbols } = assemble(`org 0x7c00
cli
main: call outer
count: inc word [0x600]
enter: mov eax, cr0
or al, 1
protect: mov cr0, eax
behind: and al, 0xfe
mov cr0, eax
asks: smsw bx
port: in al, 0x61
jmp main
outer: push ax
call inner
popped: pop ax
ret
inner: ret
times 510-($-$$) db 0
dw 0xaa55`);
  const place = (name: string): string => symbols.get(name)!.toString(16).padStart(8, "0");
  const now = (name: string): Promise<void> => expect.poll(nextAddress, { message: name }).toBe(place(name)) as unknown as Promise<void>;
  const line = (name: string): ReturnType<typeof page.locator> => page.locator(`[aria-label=Code] > li[data-address="${place(name)}"]`);
  const run = (): Promise<void> => page.getByRole("button", { name: "Run", exact: true }).click();
  const add = async (kind: string, text: string | null): Promise<void> => {
    await page.getByLabel("Kind of breakpoint").selectOption({ label: kind });
    if (text !== null) await page.locator("form[aria-label='New breakpoint'] input[type=text]").fill(text);
    await page.getByRole("button", { name: "Add", exact: true }).click();
  };
  const removeAll = async (): Promise<void> => {
    await tab("Breakpoints");
    for (const button of (await page.locator("[aria-label=Breakpoints] button[aria-label^=Remove]").all()).reverse()) await button.click();
  };
  const goBack = async (where: string): Promise<void> => {
    await back(async () => {
      await page.getByRole("button", { name: "Run back" }).click();
      await page.getByRole("button", { name: where }).click();
    });
  };
  const boot = async (): Promise<void> => {
    const image = join(folder, "round.img");
    writeFileSync(image, bytes);
    await page.goto(`${site.address}?view=debug`);
    await page.waitForSelector("[data-guest=popf]");
    await dropFiles(page, [image]);
    await page.locator("footer [role=status]", { hasText: "running" }).waitFor();
  };

  it("is named by nm's list and by an ELF file, stepped over, out and to a line, by button and key", async () => {
    await boot();
    // nm sorts by name, and lists what a file wants of others.
    writeFileSync(join(folder, "round.nm"), `${[...symbols].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, address]) => `${address.toString(16).padStart(8, "0")} t ${name}`).join("\n")}\n         U elsewhere\n`);
    await dropFiles(page, [join(folder, "round.nm")]);
    await page.getByText(`round.nm: ${symbols.size} symbols for the debugger.`).waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
    await tab("Breakpoints");
    await add("Code at", "outer");
    await tab("Disassembly");
    await now("outer");
    await page.locator("[aria-label=Code]").getByText("outer:", { exact: false }).first().waitFor();
    await page.getByRole("button", { name: "Out", exact: true }).click();
    await now("count");
    await removeAll();
    await tab("Disassembly");
    await line("port").click();
    await page.getByRole("button", { name: "To line", exact: true }).click();
    await now("port");
    await line("outer").click();
    await page.locator("[aria-label=Code]").press("F4");
    await now("outer");
    await page.locator("body").press("F11");
    await expect.poll(() => page.locator("[aria-label=Code] > [aria-current=step]").innerText()).toMatch(/call.*inner/);
    await page.locator("body").press("F10");
    await now("popped");
    // The names of the other file take their place; it is no kernel, and nobody is asked what to boot.
    writeFileSync(join(folder, "round.elf"), elfSymbols(new Map([["elf_inner", symbols.get("inner")!], ["elf_popped", symbols.get("popped")!]])));
    await dropFiles(page, [join(folder, "round.elf")]);
    await page.getByText("round.elf: 2 symbols for the debugger.").waitFor();
    await page.locator("[aria-label=Code]").getByText("elf_popped:").waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
    await tab("Breakpoints");
    await add("Code at", "elf_inner");
    await run();
    await tab("Disassembly");
    await now("inner");
  });

  it("stops where memory is written or read, the mode changes, a class of instruction or a trap comes; and is found there on the way back", async () => {
    await boot();
    await tab("Breakpoints");
    await add("Memory at", "600");
    await page.getByText("stopped here").waitFor();
    await tab("Disassembly");
    // Behind the instruction that wrote, as the processor's own data breakpoints.
    await now("enter");
    await removeAll();
    await add("Change of mode or ring", null);
    await run();
    await page.getByText("stopped here").waitFor();
    await tab("Disassembly");
    await now("behind");
    await run();
    await now("asks");
    await removeAll();
    // SMSW, where it stands, is sensitive, too, but does no I/O.
    await add("Instruction", "io");
    await run();
    await page.getByText("stopped here").waitFor();
    await tab("Disassembly");
    await now("port");
    await goBack("To the previous breakpoint");
    await now("port");
    await removeAll();
    // Under a monitor; of before UMIP, so that SMSW is a leak.
    await page.click("#technique");
    await page.check("input[name=technique][value=trap]");
    await page.keyboard.press("Escape");
    await add("Trap or leak", "insn == smsw");
    await run();
    await page.getByText("stopped here").waitFor();
    await expect.poll(() => page.locator("[role=row][data-kind]").last().innerText()).toContain("smsw");
    await removeAll();
    await tab("Disassembly");
    // The way back from protected mode with the segments of real mode is interpreted: nothing traps there.
    await goBack("To the previous trap");
    await now("protect");
    // What the memory pane shows is what was written.
    await page.getByLabel("Show memory at").fill("600");
    await page.getByLabel("Show memory at").press("Enter");
    await goBack("To the last write of 600");
    await now("count");
    const at = await instant();
    await tab("Time");
    await back(() => page.getByRole("button", { name: "Back 1,000" }).click());
    expect(await instant()).toBe(at - 1000);
    await back(() => page.getByRole("button", { name: "Forward 1,000" }).click());
    expect(await instant()).toBe(at);
  });
});

describe("a disk that was changed", () => {
  /** Reads the second sector of floppy A over and over, and says its first byte on COM1 when it is another one. */
  const disk = (letter: string): string => {
    const { bytes } = assemble(`org 0x7c00
again: mov ax, 0x0201
mov bx, 0x8000
mov cx, 2
xor dx, dx
int 0x13
jc again
mov al, [0x8000]
cmp al, [0x600]
je again
mov [0x600], al
mov dx, 0x3f8
out dx, al
jmp again
times 510-($-$$) db 0
dw 0xaa55`);
    const image = new Uint8Array(1_474_560), path = join(folder, `${letter}.img`);
    image.set(bytes);
    image.fill(letter.charCodeAt(0), 512, 1024);
    writeFileSync(path, image);
    return path;
  };
  const pause = async (): Promise<number> => {
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await stopped();
    return instant();
  };
  const inDrive = async (name: string, byte: string): Promise<void> => {
    await page.getByRole("button", { name: "Drives" }).click();
    await page.locator("[data-drive=fda]").getByText(name, { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await tab("Memory");
    await page.getByLabel("Show memory at").fill("600");
    await page.getByLabel("Show memory at").press("Enter");
    await page.waitForSelector(`text=00000600: byte ${byte}`);
    await tab("Time");
  };

  it("is back in its drive on the way back, and out of it on the way forward", async () => {
    await page.goto(`${site.address}?view=debug`);
    await page.waitForSelector("[data-guest=popf]");
    await dropFiles(page, [disk("A")]);
    await waitForSerial(page, "A");
    const before = await pause();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("button", { name: "Drives" }).click();
    await page.getByLabel("File for Floppy A").setInputFiles(disk("B"));
    await page.locator("[data-drive=fda]").getByText("B.img", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await waitForSerial(page, "AB");
    const after = await pause();
    await tab("Time");
    await inDrive("B.img", "42");
    const go = (to: number): Promise<number> => back(async () => {
      await page.getByLabel("Go to an instant, in instructions").fill(String(to));
      await page.getByRole("button", { name: "Go", exact: true }).last().click();
    });
    expect(await go(before)).toBe(before);
    await inDrive("A.img", "41");
    expect(await go(after)).toBe(after);
    await inDrive("B.img", "42");
    // And by running, up to where the first run came: nothing is said twice.
    await go(before);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("button", { name: "Drives" }).click();
    await page.locator("[data-drive=fda]").getByText("B.img", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    expect(await serialText(page)).toMatch(/AB\s*$/);
    // The first disk again is the same one, with what was written to it.
    await page.getByRole("button", { name: "Drives" }).click();
    await page.getByLabel("File for Floppy A").setInputFiles(disk("A"));
    await page.locator("[data-drive=fda]").getByText("A.img", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await waitForSerial(page, "ABA");
    expect(await page.getByText(/Another tab or drive uses this image/).count()).toBe(0);
    // The recording names both, and Node comes to the same with them.
    await pause();
    await tab("Time");
    const { path } = await download(() => page.getByRole("button", { name: "Save recording" }).click());
    const recording = decodeRecording(new Uint8Array(readFileSync(path)));
    expect(recording.files.map(({ role, name }) => [role, name])).toEqual([["fda", "A.img"], ["medium", "B.img"]]);
    const { machine, inputs } = recordedMachine(recording, ["A", "B"].map((letter) => named(`${letter}.img`, readFileSync(disk(letter)))));
    let said = "";
    machine.events.serial = (_, byte) => void (said += String.fromCharCode(byte));
    History.replayed(machine, inputs, recording.end.retired);
    expect([said, endOf(machine)]).toEqual(["ABA", recording.end]);
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
    await page.waitForSelector("text=stopped here");
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
    await page.waitForSelector("text=The guest ended with success");
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
    await expect.poll(instant).toBe(at);
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
    const tour = named("tour.img", readFileSync("public/guests/tour.img"));
    expect(recording.files).toEqual([{ ...recordedFile("fda", tour), name: recording.files[0]?.name }]);
    expect([recording.machine.clock, recording.machine.technique]).toEqual(["paced", "trap"]);
    const { machine, inputs } = recordedMachine(recording, [tour]);
    History.replayed(machine, inputs, recording.end.retired);
    expect(endOf(machine)).toEqual(recording.end);
  });

  it("symbols dropped beside the guest name the code", async () => {
    await open("guest=popf&technique=emulate");
    await page.waitForSelector("text=The guest ended");
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
