import { beforeEach, describe, expect, it } from "vitest";
import { guestRegisters, setGuestRegisters } from "../machine/guest-registers.ts";
import { Machine } from "../machine/machine.ts";
import { History } from "../machine/replay.ts";
import type { TechniqueId } from "../protocol/technique.ts";
import { hexOf } from "./gdb-packets.ts";
import { GDB_REGISTERS, TARGET_XML } from "./gdb-registers.ts";
import { GdbSession } from "./gdb-session.ts";

const CODE = 0x1000;
const flat = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const textOf = (digits: string): string => Buffer.from(digits, "hex").toString();
/** inc eax / inc eax / mov [3000],eax / jmp 1000 */
const LOOP = "40 40 a300300000 ebf7";

let machine: Machine;
let history: History | null = null;
let session: GdbSession;
let sent: string[];

function start(technique: TechniqueId = "emulate", code = LOOP, withHistory = false): void {
  machine = new Machine({ memoryBytes: 1 << 20, technique, ring: 1, set: {}, clock: "virtual", drives: {} });
  machine.physical.writeBytes(0x800, hex("0000000000000000 ffff0000009bcf00 ffff00000093cf00"));
  machine.physical.writeBytes(CODE, hex(code));
  setGuestRegisters(machine, {
    cr0: 0x11, cs: flat(8, 0xc09b), ss: flat(16, 0xc093), ds: flat(16, 0xc093), es: flat(16, 0xc093), eip: CODE, esp: 0x9000, eflags: 2,
    eax: 0x1122_3344, gdtr: { base: 0x800, limit: 0x17 }, idtr: { base: 0, limit: 0 },
  });
  history = withHistory ? new History(machine) : null;
  sent = [];
  session = new GdbSession(machine, history, (text) => sent.push(text), () => {});
}

/** One request: the answer, or what is sent when the machine has stopped again. */
function ask(request: string): string {
  sent.length = 0;
  session.packet(request);
  for (let slices = 0; session.state === "running" || session.state === "stepping"; slices++) {
    if (slices === 20) return "still running";
    const run = (instructions: number, step = false) => (history ? history.run(instructions, step) : machine.run(instructions));
    session.stopped(session.state === "stepping" ? machine.step((instructions) => run(instructions, true)) : run(1000), false);
  }
  return sent.join(" ");
}
const number = (name: string): string => GDB_REGISTERS.findIndex((register) => register.name === name).toString(16);
const read = (name: string): string => ask(`p${number(name)}`);

describe.each(["emulate", "trap"] as const)("a debugger under %s", (technique) => {
  beforeEach(() => start(technique));

  it("reads registers in the order that the target description says", () => {
    const all = ask("g");
    expect(all.slice(0, 8)).toBe("44332211");
    expect(all.slice(8 * 8, 9 * 8)).toBe("00100000"); // EIP
    expect([read("cr0"), read("cs"), read("cs_limit"), read("gdtr_base")]).toEqual(["11000000", "08000000", "ffffffff", "00080000"]);
    expect(all.length / 2).toBe(GDB_REGISTERS.reduce((bytes, register) => bytes + register.bytes, 0));
    expect(ask("p7f")).toBe("E16");
  });

  it("writes registers, alone and together", () => {
    expect(ask(`P${number("ebx")}=78563412`)).toBe("OK");
    expect(ask(`P${number("cr2")}=00f0ffff`)).toBe("OK");
    expect([guestRegisters(machine).ebx, guestRegisters(machine).cr2]).toEqual([0x1234_5678, 0xffff_f000]);
    const before = guestRegisters(machine), all = ask("g");
    expect(ask(`G01000000${all.slice(8)}`)).toBe("OK");
    expect(guestRegisters(machine)).toEqual({ ...before, eax: 1 });
    expect(ask(`P${number("ds")}=33000000`)).toBe("E16"); // a descriptor is needed
  });

  it("reads and writes memory, as digits and as bytes", () => {
    expect(ask("m1000,4")).toBe("4040a300");
    expect(ask("M3000,3:aabbcc")).toBe("OK");
    expect(ask("X3003,2:z")).toBe("E16"); // one byte is missing
    expect(ask("X3003,2:#z")).toBe("OK");
    expect(ask("m3000,5")).toBe("aabbcc237a");
    expect([ask("m200000,4"), ask("mffffe,8").length, ask("M1ffffff,2:0000"), ask("mx,1")]).toEqual(["E0e", 4, "E0e", "E16"]);
  });

  it("steps, and stops at breakpoints that leave memory alone", () => {
    expect(ask("s")).toBe("T05thread:1;");
    expect([read("eip"), read("eax")]).toEqual(["01100000", "45332211"]);
    expect([ask("Z0,1002,1"), ask("Z0,1002,1"), ask("vCont;c")]).toEqual(["OK", "OK", "T05thread:1;"]);
    expect([read("eip"), ask("m1002,1")]).toEqual(["02100000", "a3"]);
    expect([ask("c"), read("eax"), ask("z0,1002,1"), ask("c")]).toEqual(["T05thread:1;", "48332211", "OK", "still running"]);
  });

  it("watches memory and says which kind of stop it was", () => {
    ask("qSupported:swbreak+;hwbreak+");
    expect([ask("Z2,3002,1"), ask("c"), read("eip")]).toEqual(["OK", "T05watch:3002;thread:1;", "07100000"]);
    expect([ask("z2,3002,1"), ask("Z1,1001,1"), ask("c")]).toEqual(["OK", "OK", "T05hwbreak:;thread:1;"]);
    expect([ask("Z0,1000,1"), ask("z1,1001,1"), ask("c")]).toEqual(["OK", "OK", "T05swbreak:;thread:1;"]);
  });

  it("goes on from another address", () => {
    expect([ask("s1001"), read("eip")]).toEqual(["T05thread:1;", "02100000"]);
  });

  it("leaves, and its breakpoints with it", () => {
    ask("Z0,1002,1");
    expect([ask("D"), session.state, machine.breakpoints.list()]).toEqual(["OK", "detached", []]);
  });
});

describe("requests", () => {
  beforeEach(() => start());

  it("that are not known get an empty answer", () => {
    expect(["!", "vMustReplyEmpty", "qFoo", "Z7,0,1", "bs"].map(ask)).toEqual(["", "", "", "", ""]);
  });

  it("say what there is", () => {
    expect(ask("qSupported:multiprocess+")).toContain("qXfer:features:read+");
    expect([ask("?"), ask("qfThreadInfo"), ask("qsThreadInfo"), ask("T1"), ask("T2"), ask("Hg0"), ask("vCont?")]).toEqual([
      "T05thread:1;", "m1", "l", "OK", "E02", "OK", "vCont;c;C;s;S",
    ]);
  });

  it("give the target description in pieces", () => {
    let whole = "";
    for (let offset = 0, more = true; more; offset = whole.length) {
      const part = ask(`qXfer:features:read:target.xml:${offset.toString(16)},100`);
      more = part.startsWith("m");
      whole += part.slice(1);
    }
    expect(whole).toBe(TARGET_XML);
    expect(ask("qXfer:features:read:other.xml:0,100")).toBe("E00");
  });

  it("kill", () => {
    expect([ask("vKill;1"), session.state]).toEqual(["OK", "killed"]);
  });

  it("never end the conversation, whatever they say", () => {
    for (const request of ["m", "M", "X1000", "Z", "z0", "P", "p", "G0", "vCont;", "vCont;x", "qRcmd,0", "qXfer:features:read:", "Zx,1,1", "C", "H"]) {
      expect(() => ask(request)).not.toThrow();
      session.state = "stopped";
    }
  });
});

describe("the end of a run", () => {
  it("is told: a triple fault, a halt for ever, a value at port F4h", () => {
    start("emulate", "0f0b"); // ud2 without an interrupt table
    expect(ask("c")).toMatch(/^O[0-9a-f]+ T0bthread:1;$/);
    start("emulate", "f4");
    expect(ask("c")).toMatch(/^O[0-9a-f]+ T05thread:1;$/);
    session.state = "running";
    sent.length = 0;
    machine.exitValue = 3;
    expect([session.stopped("exit-port", false), sent, session.state]).toEqual([true, ["W03"], "killed"]);
  });

  it("is a stop by SIGINT after Ctrl+C", () => {
    start();
    session.state = "running";
    expect([session.stopped("break", true), sent]).toEqual([true, ["T02thread:1;"]]);
  });
});

describe("x87 and SSE registers", () => {
  it("stand in stack order, with the tag word as FNSTENV stores it", () => {
    start("emulate", "9bdbe3 d9e8 d9ee"); // finit / fld1 / fldz
    for (let n = 0; n < 4; n++) ask("s");
    expect([read("st0"), read("st1"), read("ftag"), read("fstat")]).toEqual(["00000000000000000000", "0000000000000080ff3f", "ff1f0000", "00300000"]);
    const st1 = GDB_REGISTERS.findIndex(({ name }) => name === "st1").toString(16);
    expect([ask(`P${st1}=0000000000000080ff3e`), read("st1")]).toEqual(["OK", "0000000000000080ff3e"]);
    const xmm1 = number("xmm1");
    expect([ask(`P${xmm1}=${"0123456789abcdef".repeat(2)}`), read("xmm1"), read("xmm0")]).toEqual(["OK", "0123456789abcdef".repeat(2), "0".repeat(32)]);
  });
});

describe("monitor commands", () => {
  const monitor = (line: string): string => {
    const answer = ask(`qRcmd,${hexOf(new TextEncoder().encode(line))}`);
    return answer === "OK" ? "" : textOf(answer);
  };

  beforeEach(() => start());

  it("show registers and tables", () => {
    expect(monitor("info registers")).toMatch(/EAX=11223344[\s\S]*CS {3}0008 base=00000000 limit=ffffffff access=0c09b[\s\S]*GDTR base=00000800/);
    expect(monitor("info gdt")).toBe("0008 base=00000000 limit=ffffffff access=c09b\n0010 base=00000000 limit=ffffffff access=c093\n");
    expect(monitor("info mem")).toBe("Paging is off.\n");
    expect(monitor("info tlb 1234")).toBe("00001234 -> 00001234 (paging is off)\n");
  });

  it("walk page tables", () => {
    machine.memory.writePhysical(0x4000, hex("07500000 00000000 83014000"));
    machine.memory.writePhysical(0x5000, hex("03000000 65700000 65800000"));
    setGuestRegisters(machine, { cr3: 0x4000, cr4: 0x10, cr0: 0x8000_0011 });
    expect(monitor("info tlb 0x1234")).toBe("PDE   at 00004000: 00005007 P W U\nPTE   at 00005004: 00007065 P U A D\n00001234 -> 00007234\n");
    expect(monitor("info mem")).toBe("00000000-00000fff -rw\n00001000-00002fff ur-\n00800000-00bfffff -rw\n");
  });

  it("switch to physical memory", () => {
    machine.memory.writePhysical(0x4000, hex("03500000"));
    machine.memory.writePhysical(0x5000, hex("03000000 03000000"));
    setGuestRegisters(machine, { cr3: 0x4000, cr0: 0x8000_0011 });
    machine.memory.writePhysical(0x10, hex("c0de"));
    expect([ask("m1010,2"), monitor("physical on"), ask("m1010,2"), ask("m10,2")]).toEqual(["c0de", "", "0000", "c0de"]);
  });

  it("explain themselves", () => {
    expect(monitor("help")).toContain("info tlb ADDRESS");
    expect(monitor("fly")).toContain('"fly" is no command.');
    expect(monitor("info tlb")).toContain("an address in hexadecimal is needed");
  });
});

// The GDB manual, "Running programs backward": a step undoes one instruction; a breakpoint stops before its instruction, a watchpoint
// where the value is the old one again; at the beginning of what is kept the stop says "replaylog:begin".
describe.each(["emulate", "trap"] as const)("backwards under %s", (technique) => {
  beforeEach(() => {
    start(technique, LOOP, true);
    ask("qSupported:swbreak+");
  });
  /** eip, eax, [3000] */
  const state = (): string[] => [read("eip"), read("eax"), ask("m3000,4")];

  it("is offered, and unknown where nothing is written down", () => {
    expect(ask("qSupported")).toContain(";ReverseStep+;ReverseContinue+");
    start(technique);
    expect([ask("qSupported").includes("Reverse"), ask("bs"), ask("bc")]).toEqual([false, "", ""]);
  });

  it("undoes instruction after instruction, stores too, and comes to the beginning", () => {
    const before = [state()];
    for (let n = 0; n < 6; n++) {
      expect(ask("s")).toBe("T05thread:1;");
      before.push(state());
    }
    for (let n = 5; n >= 0; n--) {
      expect(ask("bs")).toBe("T05thread:1;");
      expect(state()).toEqual(before[n]);
    }
    expect([ask("bs"), ask("bc")]).toEqual(Array(2).fill("T05replaylog:begin;thread:1;"));
    ask("s");
    expect(state()).toEqual(before[1]);
  });

  it("runs back to a breakpoint, to a store, and past an edit", () => {
    for (let n = 0; n < 9; n++) ask("s"); // twice around, and one more
    expect([read("eip"), read("eax")]).toEqual(["01100000", "49332211"]);
    ask("Z0,1002,1");
    expect(ask("bc")).toBe("T05swbreak:;thread:1;");
    expect(state()).toEqual(["02100000", "48332211", "46332211"]);
    ask("z0,1002,1");
    ask("Z2,3000,4");
    expect(ask("bc")).toBe("T05watch:3000;thread:1;");
    expect(state()).toEqual(["02100000", "46332211", "00000000"]);
    ask("z2,3000,4");
    expect([ask("M3000,4:01020304"), ask(`P${number("eax")}=00000000`)]).toEqual(["OK", "OK"]);
    ask("s");
    expect(state()).toEqual(["07100000", "00000000", "00000000"]);
    ask("bs");
    expect(state()).toEqual(["02100000", "00000000", "01020304"]);
    ask("bs");
    expect(state()).toEqual(["01100000", "45332211", "00000000"]);
  });
});
