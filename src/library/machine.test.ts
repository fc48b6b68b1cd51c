import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { echoGuest, exitGuest, haltGuest, keyGuest, powerOffGuest, screenGuest, tripleFaultGuest } from "../../test/cli/boot-sectors.ts";
import { createMachine, type CreateOptions, ImageError, type TrapscopeMachine, UsageError } from "../index.ts";

const bare = (options: CreateOptions = {}): Promise<TrapscopeMachine> => createMachine({ memoryBytes: 1 << 20, firmware: "none", ...options });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const CODE = 0x1000;
const REAL = { base: 0, limit: 0xffff, access: 0x93, selector: 0 };
const FLAT_CODE = { selector: 8, base: 0, limit: 0xffff_ffff, access: 0xc09b }, FLAT_DATA = { selector: 16, base: 0, limit: 0xffff_ffff, access: 0xc093 };
/** Protected mode, 32 bits, flat, ring 0, without tables in memory. */
const FLAT = { cr0: 0x11, cs: FLAT_CODE, ss: FLAT_DATA, ds: FLAT_DATA, es: FLAT_DATA, esp: 0x9000, eip: CODE, idtr: { base: 0, limit: 0 } };

async function flat(code: string, options: CreateOptions = {}): Promise<TrapscopeMachine> {
  const m = await bare(options);
  m.memory.write(CODE, hex(code));
  m.setState(FLAT);
  return m;
}

describe("a bare processor", () => {
  it("starts as the manual says", async () => {
    const m = await bare();
    const state = m.state();
    expect([state.cs.selector, state.cs.base, state.eip, state.eflags, state.cr0]).toEqual([0xf000, 0xffff_0000, 0xfff0, 2, 0x6000_0010]);
  });

  it("has RAM everywhere and nothing at its ports", async () => {
    const m = await bare();
    const bytes = Uint8Array.from({ length: 0x10_0000 }, (_, i) => i * 7);
    m.memory.write(0, bytes);
    expect(Buffer.compare(m.memory.read(0, 0x10_0000), bytes)).toBe(0); // toEqual looks at a million numbers
    expect(m.memory.read(0x10_0000, 2)).toEqual(Uint8Array.of(0xff, 0xff));
  });

  it("runs in video memory and where ROM would be", async () => {
    const m = await bare();
    for (const segment of [0xa000, 0xb800, 0xc000, 0xf000]) {
      m.memory.write(segment * 16, hex("40 f4")); // inc ax / hlt
      m.setState({ eax: 1, eip: 0, cs: { ...REAL, selector: segment, base: segment * 16 } });
      expect([m.run({ instructions: 10 }).reason, m.state().eax]).toEqual(["halted", 2]);
    }
  });

  it("sets and reads all registers, and leaves alone what is not named", async () => {
    const m = await bare();
    m.setState({ eax: 0x1234_5678, msr: { 0x174: 8 }, gdtr: { base: 0x500 }, x87: { control: 0x27f } });
    m.setState({ xmm: new Uint8Array(128).fill(7), cs: { base: 0x2_0000 } });
    const state = m.state();
    expect([state.eax, state.msr[0x174], state.gdtr, state.x87.control, state.xmm[127], state.cs]).toEqual([
      0x1234_5678, 8, { base: 0x500, limit: 0xffff }, 0x27f, 7, { selector: 0xf000, base: 0x2_0000, limit: 0xffff, access: 0x93 },
    ]);
    m.setState(state);
    expect(m.state()).toEqual(state);
  });

  it("answers ports with hooks, until they are taken away", async () => {
    const m = await flat("e4 e9 66ef e4 e9"); // in al,0E9h / out dx,ax / in al,0E9h
    const written: number[][] = [];
    const remove = m.onPort({ first: 0xe8, last: 0xe9, read: (port, width) => port + width, write: (...access) => written.push(access) });
    m.setState({ edx: 0xe8, eax: 0x1111 });
    m.step();
    m.step();
    expect([m.state().eax, written]).toEqual([0x11ea, [[0xe8, 2, 0x11ea]]]);
    remove();
    m.step();
    expect(m.state().eax).toBe(0x11ff);
  });
});

describe("snapshots", () => {
  it("bring back registers, memory and the count, here and in another machine", async () => {
    const m = await flat("40 a300300000 ebf8"); // inc eax / mov [3000],eax / jmp
    m.setState({ eax: 0 });
    m.run({ instructions: 30 });
    const [snapshot, hash] = [m.snapshot(), m.stateHash()];
    m.run({ instructions: 30 });
    expect(m.stateHash()).not.toBe(hash);
    m.restore(snapshot);
    expect([m.stateHash(), m.state().eax, m.memory.read(0x3000, 1)[0], m.counters().instructions]).toEqual([hash, 10, 10, 30]);
    const other = await bare();
    other.restore(snapshot);
    expect(other.stateHash()).toBe(hash);
    other.run({ instructions: 3 });
    expect(other.state().eax).toBe(11);
  });
});

describe("step", () => {
  it("runs one instruction, a REP to its end", async () => {
    const m = await flat("f3aa 90"); // rep stosb
    m.setState({ eax: 0x5a, ecx: 0x2_0000, edi: 0x4_0000 });
    expect(m.step()).toEqual({ reason: "budget", instructions: 1, exception: null });
    expect([m.state().ecx, m.state().eip, m.memory.read(0x5_ffff, 1)[0]]).toEqual([0, CODE + 2, 0x5a]);
  });

  it("ends with the delivery of a fault and says which", async () => {
    const m = await bare();
    m.memory.write(0, hex("0000 0050")); // vector 0: 5000:0000
    m.memory.write(CODE, hex("f6f1")); // div cl
    m.setState({ eip: CODE, ecx: 0, esp: 0x8000, cs: REAL, ss: REAL });
    expect(m.step()).toEqual({ reason: "budget", instructions: 0, exception: { vector: 0, error: null } });
    const state = m.state();
    expect([state.cs.selector, state.eip, state.esp]).toEqual([0x5000, 0, 0x7ffa]);
    expect(m.memory.read(0x7ffa, 2)).toEqual(hex("0010"));
  });

  it("says which software exception was delivered; INT n is none", async () => {
    const m = await bare();
    m.memory.write(CODE, hex("cc"));
    m.memory.write(0x60 * 4, hex("0010 0000"));
    m.memory.write(3 * 4, hex("0220 0000"));
    m.memory.write(0x2002, hex("cd60")); // vector 3 leads to int 60h
    m.setState({ eip: CODE, esp: 0x8000, cs: REAL, ss: REAL });
    expect(m.step()).toEqual({ reason: "budget", instructions: 1, exception: { vector: 3, error: null } });
    expect(m.step()).toEqual({ reason: "budget", instructions: 1, exception: null });
    expect(m.state().eip).toBe(CODE);
  });

  it.each([
    ["8e d8", 13, 0x1234], // mov ds,ax: beyond the table
    ["0f 0b", 6, null], // ud2
    ["a1 00000000", 14, 0], // with paging on and nothing mapped
    ["f7 f1", 0, null], // div ecx
  ])("does not deliver %s when told not to", async (code, vector, error) => {
    const m = await flat(code, { deliverExceptions: false });
    m.setState({ gdtr: { base: 0, limit: 0 }, eax: 0x1234, ecx: 0 });
    if (vector === 14) {
      m.memory.write(0x2000, hex("07300000")); // directory: one table
      m.memory.write(0x3000 + (CODE >> 12) * 4, hex("07100000")); // table: the page of the code alone
      m.setState({ cr3: 0x2000, cr0: 0x8000_0011 });
    }
    expect(m.step()).toEqual({ reason: "exception", instructions: 0, exception: { vector, error } });
    expect(m.state().eip).toBe(CODE);
    expect(m.run({ instructions: 5 })).toEqual({ reason: "exception", instructions: 0, exception: { vector, error } });
  });

  it("reports a single-step trap", async () => {
    const m = await flat("90 90", { deliverExceptions: false });
    m.setState({ eflags: 0x102 });
    expect(m.step()).toEqual({ reason: "exception", instructions: 1, exception: { vector: 1, error: null } });
  });

  it("names the double fault that was delivered", async () => {
    const m = await flat("f4");
    const gate = (n: number, selector: string): void => m.memory.write(0x3000 + n * 8, hex(`0020 ${selector} 00 8e 0000`));
    m.memory.write(0x4008, hex("ffff0000009bcf00"));
    gate(0, "1000"); // its selector is beyond the GDT: #GP in the delivery
    gate(8, "0800");
    m.memory.write(CODE, hex("f7f1"));
    m.setState({ gdtr: { base: 0x4000, limit: 15 }, idtr: { base: 0x3000, limit: 8 * 9 - 1 }, ecx: 0 });
    expect(m.step()).toEqual({ reason: "budget", instructions: 0, exception: { vector: 8, error: 0 } });
    expect(m.state().eip).toBe(0x2000);
  });
});

describe("run", () => {
  it("stops at the budget, exactly", async () => {
    const m = await flat("ebfe");
    expect(m.run({ instructions: 1234 })).toEqual({ reason: "budget", instructions: 1234, exception: null });
  });

  it("ends with a halt that nothing can end and with a shutdown", async () => {
    expect((await flat("fa f4")).run({ instructions: 10 }).reason).toBe("halted");
    expect((await flat("0f0b")).run({ instructions: 10 })).toEqual({ reason: "triple-fault", instructions: 0, exception: { vector: 6, error: null } });
    expect((await flat("0f0b")).step()).toEqual({ reason: "triple-fault", instructions: 0, exception: { vector: 6, error: null } });
  });

  it("ends after the instruction in which a hook called stop", async () => {
    const m = await flat("e6e9 ebfc");
    m.onPort({ first: 0xe9, last: 0xe9, write: () => m.stop() });
    const { reason } = m.run({ instructions: 1e6 });
    expect([reason, m.counters().instructions < 3]).toEqual(["breakpoint", true]);
  });

  it.each([
    ["exit-port", exitGuest(7)],
    ["power-off", powerOffGuest()],
    ["halted", haltGuest()],
    ["triple-fault", tripleFaultGuest()],
  ])("ends with %s on a PC", async (reason, guest) => {
    const m = await createMachine({ memoryBytes: 4 << 20, drives: { fda: guest } });
    expect(m.run({ instructions: 5e6 }).reason).toBe(reason);
    expect(m.exitValue).toBe(reason === "exit-port" ? 7 : null);
  });

  it("says idle when the guest waits in real time", async () => {
    const m = await createMachine({ memoryBytes: 4 << 20, clock: "real", drives: { fda: screenGuest("waits") } });
    // The firmware waits too: for its devices, in HLT.
    for (let i = 0; i < 2000 && !m.screenText()?.includes("waits"); i++) {
      if (m.run({ instructions: 1e6 }).reason === "idle") await sleep(5);
    }
    expect(m.screenText()).toContain("waits");
    expect(m.run({ instructions: 1e6 }).reason).toBe("idle");
    expect(m.nextEventNs).toBeLessThan(Infinity);
  });
});

describe("a PC", () => {
  it("talks over the serial line", async () => {
    const m = await createMachine({ memoryBytes: 4 << 20, drives: { fda: echoGuest() } });
    let heard = "";
    m.onSerial(0, (byte) => {
      heard += String.fromCharCode(byte);
    });
    m.run({ instructions: 1e6 });
    m.serialWrite(0, new TextEncoder().encode("abc."));
    expect([m.run({ instructions: 20e6 }).reason, heard]).toEqual(["exit-port", "abc."]);
  });

  it("takes keys by name and as typed text", async () => {
    const m = await createMachine({ memoryBytes: 4 << 20, drives: { fda: keyGuest() } });
    let typed = "";
    m.onPort({ first: 0xe9, last: 0xe9, write: (_, __, value) => void (typed += String.fromCharCode(value)) });
    m.run({ instructions: 5e6 });
    for (const key of ["KeyA", "Space", "<", "Q"]) m.key(key);
    m.type("B<Enter>.");
    m.run({ instructions: 20e6 });
    expect(typed).toBe("a <QB\r.");
    expect(() => m.key("Hyper")).toThrow(UsageError);
  });

  it("changes its technique while it runs, logs and counts", async () => {
    const m = await createMachine({ memoryBytes: 4 << 20, drives: { fda: haltGuest() } });
    expect(m.run({ instructions: 20_000 }).reason).toBe("budget");
    expect([m.counters().traps.total, m.traps()]).toEqual([0, []]);
    m.setTechnique("trap", { ring: 3 });
    m.run({ instructions: 5_000 });
    const { traps } = m.counters();
    expect(traps.total).toBeGreaterThan(0);
    const log = m.traps().filter((trap) => trap.kind === "exit");
    expect(log).toHaveLength(traps.total);
    expect(log[0]).toMatchObject({ seq: 0, hcpl: 3, mode: "real" });
    expect(m.traps(traps.total - 1).length).toBeLessThanOrEqual(log.length);
    m.setTechnique("emulate");
    m.run({ instructions: 1000 });
    expect(m.counters().traps.total).toBe(traps.total);
  });
});

describe("what cannot be done", () => {
  it("is said in typed errors", async () => {
    await expect(createMachine({ drives: { fda: new Uint8Array(0) } })).rejects.toThrow(ImageError);
    await expect(createMachine({ kernel: new Uint8Array(4096) })).rejects.toThrow(ImageError);
    await expect(createMachine({ firmware: { bios: new Uint8Array(1000) } })).rejects.toThrow(ImageError);
    await expect(createMachine({})).rejects.toThrow(UsageError);
    await expect(bare({ technique: "magic" as "trap" })).rejects.toThrow(/emulate, trap/);
    await expect(bare({ memoryBytes: 1000 })).rejects.toThrow(UsageError);
    const m = await bare();
    expect(() => m.restore(new Uint8Array(3))).toThrow(ImageError);
    expect(() => m.setTechnique("magic" as "trap")).toThrow(UsageError);
    expect(() => m.run({ instructions: 0 })).toThrow(UsageError);
    m.dispose();
    expect(() => m.step()).toThrow(UsageError);
  });
});
