// What lite refuses, runs and counts. Expectations: SDM Vol. 3, "Protected-Mode Virtual Interrupts"; plex86, hal.h.
import { describe, expect, it } from "vitest";
import { countsOf, guestMachine, outcomeOf } from "../../../test/support/guest-run.ts";
import { guestImage } from "../../../test/support/guest-expectations.ts";
import type { ByteSource } from "../../hardware/device.ts";
import type { ProcessorSet } from "../../protocol/technique.ts";

const source = (bytes: Uint8Array): ByteSource => ({ size: bytes.length, read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)) });

function run(guest: string, set: ProcessorSet = {}, prepare: (machine: ReturnType<typeof guestMachine>) => void = () => {}, hda?: Uint8Array) {
  const machine = guestMachine(guest, { technique: "lite", ring: 3, set, ...(hda ? { drives: { fda: source(guestImage(guest)), hda: source(hda) } } : {}) });
  const notices: string[] = [];
  let serial = "";
  machine.events.serial = (port, byte) => {
    if (port === 0) serial += String.fromCharCode(byte);
  };
  machine.events.notice = (text) => void notices.push(text);
  prepare(machine);
  const end = outcomeOf(machine.run(20e6), machine.exitValue);
  return { end, serial, notices, machine, refusal: machine.supervisor.refusal?.reason ?? null };
}

describe("a kernel built for it", () => {
  it("uses disk and network of the HAL, and is interrupted at IRQ 3", () => {
    const disk = new Uint8Array(64 * 512);
    disk[512] = 41;
    const { end, serial, machine } = run("hal", {}, ({ pc }) => {
      pc.network.kind = "loopback";
    }, disk);
    expect(serial).toBe("the HAL prints this\r\ndisk 0: sectors 64\r\nsector 1 counts 42\r\nIRQ 3: a frame of bytes 64\r\n");
    expect(end).toBe("exit-success");
    expect(disk[512]).toBe(41); // the medium is never touched
    // What VIF keeps is no lost write: the image of PUSHF alone leaks, until the macro has corrected it.
    expect(countsOf(machine).leaks.byInstruction).toEqual({ PUSHF: 1 });
    // STATE: real-mode segments, between the far jump into 32-bit code and the loads behind it.
    expect(machine.supervisor.statistics).toMatchObject({ halCalls: 10, rawSites: 0, STATE: 1 });
  });
});

describe("a kernel built without the macros", () => {
  it("is refused with the list of what it has", () => {
    const { end, refusal, machine } = run("popf");
    expect(end).toBe("technique-refused");
    expect(refusal).toMatch(/^RAW_PUSHF: \d+ sites without the macros: (PUSHF|POPF|IRET) at [0-9a-f]+/);
    expect(machine.supervisor.statistics["RAW_PUSHF"]).toBe(1);
  });

  it("runs anyway if asked to, and what leaks is counted", () => {
    const { refusal, notices, machine } = run("popf", { lite: "anyway" });
    expect(refusal).toBeNull();
    expect(notices.some((text) => text.startsWith("RAW_PUSHF: "))).toBe(true);
    const { leaks } = countsOf(machine);
    expect(leaks.byInstruction["PUSHF"]).toBeGreaterThan(0);
    expect(machine.supervisor.statistics["RAW_PUSHF"]).toBeGreaterThanOrEqual(1);
  });
});
