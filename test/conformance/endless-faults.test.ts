// Events without an end, between which no instruction runs. The first: an #AC at ring 3 whose handler, at ring 3 too, has a stack that is not aligned either: its frame is the next #AC, and no instruction
// runs again. Silicon never comes back from there (SDM Vol. 3A, "Interrupt 17—Alignment Check Exception": it is benign, so no double fault); the host must.
import { expect, it } from "vitest";
import { guestRegisters } from "../../src/machine/guest-registers.ts";
import { CODE, flatGuest } from "../support/flat-guest.ts";

const USER_CODE = 0x1b, USER_DATA = 0x23, GDT = 0x2000, IDT = 0x3000, HANDLER = CODE + 0x100, STACK = 0x10_0000, VECTOR = 7;
const AM = 0x4_0000, AC = 0x4_0000;

it("faults without an end shut the processor down", () => {
  const flat = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
  const data = flat(USER_DATA, 0xc0f3);
  // mov eax,[ebx]
  const machine = flatGuest([0x8b, 0x03], "emulate", 1, {}, {
    cr0: 0x11 | AM, eflags: 2 | AC, ebx: 0x9001, esp: 0x8003, cs: flat(USER_CODE, 0xc0fb), ds: data, es: data, ss: data, fs: data, gs: data,
    gdtr: { base: GDT, limit: 0x27 }, idtr: { base: IDT, limit: 0x7ff },
  });
  machine.physical.writeBytes(GDT + 0x18, Uint8Array.from([0xff, 0xff, 0, 0, 0, 0xfb, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0xf3, 0xcf, 0]));
  machine.physical.writeBytes(IDT + 17 * 8, Uint8Array.from([HANDLER & 0xff, HANDLER >> 8, USER_CODE, 0, 0, 0x8e, 0, 0]));
  expect(machine.run(1000)).toBe("triple-fault");
  expect(machine.core.retired()).toBe(0);
});

it("an interrupt that is there again at once, through a trap gate, lets others look around", () => {
  // sti / nop / jmp $
  const machine = flatGuest([0xfb, 0x90, 0xeb, 0xfe], "emulate", 1, {}, { esp: STACK, idtr: { base: IDT, limit: 0x7ff } });
  machine.physical.writeBytes(IDT + VECTOR * 8, Uint8Array.from([HANDLER & 0xff, HANDLER >> 8, 8, 0, 0, 0x8f, 0, 0]));
  // A level that its acknowledge cycle does not take back, as of a level-triggered 8259A that ends interrupts by itself.
  machine.pc.acknowledge = () => VECTOR;
  machine.core.setIntr(true);
  expect(machine.run(1e6)).toBe("budget");
  expect(machine.core.retired()).toBe(2);
  const { esp, eip } = guestRegisters(machine);
  expect([eip, (STACK - esp) % 12, STACK - esp > 1000 * 12]).toEqual([HANDLER, 0, true]);
});
