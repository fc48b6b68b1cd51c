// The list of techniques: a further one is one file and one line; all of them take a running guest over from each other.
import { describe, expect, it } from "vitest";
import { builtinBios, builtinVgaBios } from "../../src/firmware/bios.ts";
import { ACTIVITY } from "../../src/isa/state-layout.ts";
import { Machine } from "../../src/machine/machine.ts";
import { Deprivileged } from "../../src/monitor/deprivileged.ts";
import { BUILT_TECHNIQUES, TECHNIQUE_LIST } from "../../src/monitor/techniques/list.ts";
import type { TechniqueDefinition } from "../../src/monitor/techniques/technique.ts";
import type { TechniqueId } from "../../src/protocol/technique.ts";
import { calloutsOf, countsOf } from "../support/guest-run.ts";
import { guestExpectation, guestImage, sum } from "../support/guest-expectations.ts";

function machineFor(guest: string, technique: TechniqueId, techniques?: readonly TechniqueDefinition[]) {
  return machineOn(guestImage(guest), technique, techniques);
}

function machineOn(image: Uint8Array, technique: TechniqueId, techniques?: readonly TechniqueDefinition[]) {
  const fda = { size: image.length, read: (offset: number, into: Uint8Array) => into.set(image.subarray(offset, offset + into.length)) };
  const machine = new Machine({
    memoryBytes: 16 << 20, technique, ring: 1, set: {}, clock: "virtual", drives: { fda },
    firmware: { bios: builtinBios(), vgabios: builtinVgaBios() }, ...(techniques ? { techniques } : {}),
  });
  const seen = { serial: "" };
  machine.events.serial = (port, byte) => {
    if (port === 0) seen.serial += String.fromCharCode(byte);
  };
  return { machine, seen };
}

describe("the list", () => {
  it("takes a tenth technique as one definition", () => {
    let refreshed = 0;
    // Trap and emulate that counts what it projects.
    const tenth: TechniqueDefinition = {
      id: "toy" as TechniqueId,
      create: (monitor) => new (class extends Deprivileged {
        override enter(left: number) {
          refreshed++;
          return super.enter(left);
        }
      })(monitor, 1),
    };
    const { machine, seen } = machineFor("popf", tenth.id, [...TECHNIQUE_LIST, tenth]);
    expect(machine.run(50e6)).toBe("halted");
    expect(seen.serial).toContain("CLI           PUSHF shows IF=1");
    expect(refreshed).toBeGreaterThan(0);
    expect(machine.cpu.exitCount).toBe(sum(countsOf(machine).traps.byInstruction));
  });

  it("enters loops that are translated by now from either processor", () => {
    // V and H share the places of the jump cache: what H enters must be found there although V was there since.
    const { machine } = machineFor("tour", "trap");
    expect(machine.run(6e5)).toBe("budget");
    expect(machine.core.retired()).toBe(6e5);
  });

  it("names none that is not built", () => {
    expect(() => machineFor("popf", "toy" as TechniqueId)).toThrow("toy is not built");
  });
});

describe("a running guest", () => {
  // What takes unported guests and is sound: the guest may not notice the change.
  const sound = BUILT_TECHNIQUES.filter((id) => !["trap", "lite", "paravirt"].includes(id));

  it.each(["irqsave", "iret", "tables"])("%s goes from technique to technique without noticing", (guest) => {
    const { machine, seen } = machineFor(guest, "emulate");
    let turn = 0;
    let reason = machine.run(7_000);
    while (reason === "budget" && turn < 400) {
      const { supervisor } = machine;
      supervisor.change(sound[++turn % sound.length]!, 1, {});
      reason = machine.run(7_000 + turn);
    }
    expect(reason).toBe("exit-port");
    expect(machine.exitValue).toBe(0);
    expect(seen.serial).toBe(guestExpectation(guest).serial);
    expect(turn).toBeGreaterThan(sound.length * 2);
    const { traps, leaks } = countsOf(machine);
    expect(sum(leaks.byInstruction)).toBe(0);
    expect(machine.cpu.exitCount).toBe(sum(traps.byInstruction) + calloutsOf(machine));
  });

  it.each(BUILT_TECHNIQUES.filter((id) => !["lite", "paravirt"].includes(id)))("that waits under vtx, where MWAIT does not leave, is woken under %s", (id) => {
    const sector = new Uint8Array(1_474_560);
    sector.set([
      0x66, 0x31, 0xc0, 0x66, 0x31, 0xc9, 0x66, 0x31, 0xd2, // xor eax,eax; xor ecx,ecx; xor edx,edx
      0xfb, 0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9, 0xe6, 0xf4, // sti; monitor; mwait; out 0xf4,al
    ]);
    sector.set([0x55, 0xaa], 510);
    const { machine } = machineOn(sector, "vtx");
    let stopped = false;
    const look = machine.clock.timer(() => {
      stopped = true;
      machine.stop();
    });
    // The BIOS's timer ticks 18 times a second.
    for (let ms = 1; machine.cpu.v.context.get(ACTIVITY) === 0 && ms < 1000; ms++) {
      look.arm(machine.clock.nowNs() + 1e6);
      for (stopped = false; !stopped; ) expect(machine.run(1e6)).toMatch(/^(budget|break)$/);
    }
    expect(machine.cpu.v.context.get(ACTIVITY)).toBe(1);
    machine.supervisor.change(id, 1, {});
    expect(machine.run(50e6)).toBe("exit-port");
    expect(machine.exitValue).toBe(0);
  });
});
