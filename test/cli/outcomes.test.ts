// Every outcome and exit code that a run can have (interfaces: "Command line").
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  blinkGuest, bootSector, debugGuest, echoGuest, exitGuest, haltGuest, keyGuest, livelockGuest, loopGuest, maskedGuest, powerOffGuest, rebootGuest, screenGuest, serialGuest,
  tripleFaultGuest,
} from "./boot-sectors.ts";
import { openTrapscope, type Trapscope } from "./trapscope.ts";

let cli: Trapscope;
beforeAll(() => {
  cli = openTrapscope();
});
afterAll(() => cli.close());

const run = (guest: Uint8Array, ...args: string[]) => cli.json(["run", cli.file("guest.img", guest), ...args]);

describe("how a guest ends", () => {
  it.each([
    ["exit-success", 0, exitGuest(0)],
    ["exit-failure", 2, exitGuest(3)],
    ["power-off", 0, powerOffGuest()],
    ["triple-fault", 2, tripleFaultGuest()],
    ["halted", 2, haltGuest()],
    ["halted", 2, maskedGuest()],
  ])("%s, code %i", async (outcome, code, guest) => {
    const result = await run(guest);
    expect([result.outcome, result.exitCode]).toEqual([outcome, code]);
  });

  it("tells the value at port F4h", async () => {
    expect((await run(exitGuest(0x2a))).exitValue).toBe(0x2a);
    expect((await run(haltGuest())).exitValue).toBeNull();
  });

  it.each([["SIGINT", 130], ["SIGTERM", 143]] as const)("or is ended: %s, with no terminal to read from", async (signal, code) => {
    const trace = join(cli.folder, `${signal}.txt`);
    const child = cli.start(["run", cli.file("guest.img", loopGuest()), "--serial", "none", "--expect", "never", "--timeout", "50", `--trace=${trace}`, "--trace-range", "7c00-7dff"]);
    const end = new Promise<number | null>((resolve) => child.on("exit", resolve));
    while (!existsSync(trace) || statSync(trace).size === 0) await setTimeout(50);
    child.kill(signal);
    expect(await end).toBe(code);
  });

  it("reboots on a reset and goes on as one run", async () => {
    expect((await run(rebootGuest(), "--expect", "RR")).outcome).toBe("expected");
  });
});

describe("limits", () => {
  it("writes what was translated into a folder", async () => {
    const folder = join(cli.folder, "regions");
    await run(bootSector("40ebfd"), "--max-instructions", "1e6", "--jit-dump", folder);
    const name = readdirSync(folder).find((file) => file.startsWith("00007c0"));
    expect(readFileSync(join(folder, name!), "utf8")).toMatch(/^00007c10 {2}jmp 0x/m);
  });

  it("stops after exactly the instructions that were allowed", async () => {
    const result = await run(loopGuest(), "--max-instructions", "1.5e6");
    expect([result.outcome, result.exitCode, result.instructions]).toEqual(["instruction-limit", 3, 1_500_000]);
  });

  it.each([["emulate"], ["trap"]])("keeps --timeout under %s where no instruction ever completes", async (technique) => {
    const result = await run(livelockGuest(), "--timeout", "1", "--technique", technique);
    expect([result.outcome, result.exitCode]).toEqual(["timeout", 3]);
  });

  it.each([["virtual"], ["real"]])("gives up after --timeout with the %s clock", async (clock) => {
    const start = performance.now();
    const result = await run(loopGuest(), "--timeout", "1", "--clock", clock);
    expect([result.outcome, result.exitCode]).toEqual(["timeout", 3]);
    expect(performance.now() - start).toBeGreaterThan(900);
  });

  it("gives up on a guest that sleeps, in real time", async () => {
    const result = await run(screenGuest("asleep"), "--timeout", "1", "--clock", "real");
    expect(result.outcome).toBe("timeout");
    expect(result.guestSeconds).toBeLessThan(2.1);
  });
});

describe("--expect", () => {
  it.each([
    ["COM1", serialGuest("f803", "one two three"), "two"],
    ["COM2", serialGuest("f802", "one two three"), "three"],
    ["port E9h", debugGuest("one two three"), "e t"],
    ["the text screen", screenGuest("one two three"), "one two three"],
    ["text that is shown for 52 ms", blinkGuest(), "BLINK"],
  ])("finds a text on %s", async (_, guest, text) => {
    const result = await run(guest, "--expect", text, "--max-instructions", "30e6");
    expect([result.outcome, result.exitCode]).toEqual(["expected", 0]);
  });

  it("distinguishes case, and does not join two streams", async () => {
    expect((await run(debugGuest("ONE"), "--expect", "one")).outcome).toBe("ended-early");
    expect((await run(serialGuest("f803", "left"), "--expect", "leftright")).outcome).toBe("ended-early");
  });

  it.each([["success", exitGuest(0)], ["failure", exitGuest(1)], ["power-off", powerOffGuest()]])("ends early with %s", async (_, guest) => {
    const result = await run(guest, "--expect", "never");
    expect([result.outcome, result.exitCode]).toEqual(["ended-early", 2]);
    expect(result.reason).toContain('"never"');
  });

  it("keeps a halt and a triple fault what they are", async () => {
    expect((await run(haltGuest(), "--expect", "never")).outcome).toBe("halted");
    expect((await run(tripleFaultGuest(), "--expect", "never")).outcome).toBe("triple-fault");
  });
});

describe("--script", () => {
  const script = (text: string, guest: Uint8Array, ...args: string[]) => run(guest, "--script", cli.file("script.txt", text), ...args);

  it("types on the keyboard and sends to COM1", async () => {
    expect((await script('wait 0.1\nkeys "Hi<Space>1!"\nexpect "Hi 1!"\n', keyGuest())).outcome).toBe("expected");
    expect((await script('expect "Boot"\nsend "a\\x62\\"\\n"\nexpect "ab\\"\\n"\nsend "."', echoGuest(), "--expect", ".")).outcome).toBe("expected");
  });

  it("does the script first and then --expect, each from where the last was met", async () => {
    const twice = await script('expect "o"\nexpect "o"', debugGuest("one two"), "--expect", "o");
    expect([twice.outcome, twice.exitCode]).toEqual(["ended-early", 2]);
    expect((await script('expect "o"', debugGuest("one two"), "--expect", "o")).outcome).toBe("expected");
  });

  it("waits in guest time", async () => {
    const { outcome, guestSeconds } = await script('wait 1.5', screenGuest("x"));
    expect(outcome).toBe("expected");
    expect(guestSeconds).toBeCloseTo(1.5, 2);
  });

  it("switches the technique while the guest runs", async () => {
    const result = await script('expect "one"\ntechnique trap\nexpect "two"', debugGuest("one, then two"), "--technique", "emulate");
    expect(result.outcome).toBe("expected");
    expect(result.traps.byInstruction["OUT"]).toBe(", then two".length);
  });
});

describe("refusals", () => {
  const refused = async (args: string[]) => {
    const { outcome, exitCode, reason } = await cli.json(args);
    expect([outcome, exitCode]).toEqual(["image-refused", 4]);
    return reason;
  };

  it("names what is wrong with a file", async () => {
    expect(await refused(["run", cli.file("empty.img", "")])).toContain("empty");
    expect(await refused(["run", cli.file("text.txt", "Dear machine,\nplease boot.\n".repeat(100))])).toContain("text file");
    expect(await refused(["run", cli.file("random.img", noise(1_474_560))])).toContain("55 AA");
    expect(await refused(["run", cli.file("odd.img", noise(100_001))])).toContain("sectors");
    expect(await refused(["run", "absent.img"])).toContain("no such file");
    expect(await refused(["run", "absent"])).toContain("popf");
    mkdirSync(join(cli.folder, "folder"), { recursive: true });
    expect(await refused(["run", "folder"])).toContain("directory");
  });

  it("sees that a disk image is cut short", async () => {
    const disk = new Uint8Array(1 << 20);
    disk.set(exitGuest(0));
    // One active partition of type 83h, from sector 2048, of 40,960 sectors.
    disk.set([0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0xa0, 0, 0], 446);
    expect(await refused(["run", cli.file("short.img", disk)])).toContain("truncated");
  });

  it("judges 3 GB of zeros, and boots 3 GB of disk, without reading them", async () => {
    const zeros = join(cli.folder, "zeros.img");
    const descriptor = openSync(zeros, "w");
    ftruncateSync(descriptor, 3 * 2 ** 30);
    closeSync(descriptor);
    expect(await refused(["run", zeros])).toContain("blank");
    const disk = cli.file("large.img", exitGuest(0));
    const large = openSync(disk, "r+");
    ftruncateSync(large, 3 * 2 ** 30);
    closeSync(large);
    const result = await cli.json(["run", "--hda", disk, "--memory", "16M"]);
    expect(result.outcome).toBe("exit-success");
    expect(result.peakRssBytes).toBeLessThan(600e6);
  });

  it("knows ROMs by their size and head", async () => {
    const guest = cli.file("guest.img", exitGuest(0));
    expect(await refused(["run", guest, "--bios", cli.file("bios.bin", new Uint8Array(100_000))])).toContain("a multiple of 4 KB, from 64 KB to 16 MB");
    expect(await refused(["run", guest, "--vgabios", cli.file("vga.bin", new Uint8Array(32_768))])).toContain("55 AA");
    expect(await refused(["run", guest, "--vgabios", cli.file("vga.bin", new Uint8Array(700))])).toContain("512");
  });

  it("refuses kernels that are none, and other architectures' ways", async () => {
    expect(await refused(["run", "--kernel", cli.file("kernel", noise(20_000))])).toContain("Not a Linux kernel");
    expect(await refused(["run", "--multiboot", cli.file("image", noise(20_000))])).toContain("Not a multiboot image");
  });

  it("boots without a signature when forced", async () => {
    const unsigned = exitGuest(0);
    unsigned.fill(0, 510);
    const file = cli.file("unsigned.img", unsigned);
    expect(await refused(["run", file])).toContain("--force");
    expect((await cli.json(["run", file, "--force"])).outcome).toBe("exit-success");
  });
});

describe("usage errors", () => {
  it("is one line on stderr and code 1", async () => {
    const { code, stderr, stdout } = await cli.run(["run", "popf", "--technique", "magic"]);
    expect(stderr).toEqual(expect.stringMatching(/^trapscope: --technique magic: one of emulate, trap[a-z0-9, ]* is needed\.\n$/));
    expect([code, stdout]).toEqual([1, ""]);
  });

  it.each([[["labs"]], [["boot", "popf"]], [[]]])("%j lists the commands that are built", async (args) => {
    const { code, stderr } = await cli.run(args);
    expect([code, stderr]).toEqual([1, expect.stringContaining("run, info, diff, disasm")]);
  });

  it("says which line of a script is wrong", async () => {
    const { code, stderr } = await cli.run(["run", "popf", "--script", cli.file("bad.txt", '# fine\nexpect "a"\nexpct "b"\n')]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('line 3: "expct" is no step')]);
  });

  it("puts a usage error into JSON too", async () => {
    const { outcome, exitCode } = await cli.json(["run", "popf", "--technique", "magic"]);
    expect([outcome, exitCode]).toEqual(["usage", 1]);
  });
});

describe("serial line and screen", () => {
  it("writes COM1 to stdout, to a file, or nowhere", async () => {
    const guest = cli.file("com1.img", serialGuest("f803", "to the line\n"));
    expect((await cli.run(["run", guest])).stdout).toBe("to the line\n");
    const file = join(cli.folder, "serial.txt");
    expect((await cli.run(["run", guest, "--serial", file])).stdout).toBe("");
    expect(readFileSync(file, "utf8")).toBe("to the line\n");
    expect((await cli.run(["run", guest, "--serial", "none"])).stdout).toBe("");
    const both = await cli.run(["run", guest, "--serial", "-", "--json"]);
    expect(both.stderr).toContain("to the line");
    expect((JSON.parse(both.stdout) as { serialTail: string }).serialTail).toBe("to the line\n");
  });

  it("gives what is piped in to COM1", async () => {
    const { code, stdout } = await cli.run(["run", cli.file("echo.img", echoGuest())], "from a pipe.");
    expect([code, stdout]).toEqual([0, "from a pipe."]);
  });

  it("shows the text screen, and draws it", async () => {
    const guest = cli.file("screen.img", screenGuest("hello screen"));
    const picture = join(cli.folder, "screen.png");
    const { stdout } = await cli.run(["run", guest, "--expect", "hello screen", "--screen-text", "--screen", picture]);
    expect(stdout.split("\n")).toContain("hello screen");
    const png = readFileSync(picture);
    expect([png.subarray(1, 4).toString("latin1"), png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual(["PNG", 720, 400]);
    expect((await cli.json(["run", guest, "--expect", "hello screen"])).screenText?.split("\n")).toContain("hello screen");
  });
});

/** Bytes without a pattern, always the same (xorshift). */
function noise(length: number): Uint8Array {
  let state = 0x2545_f491;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}
