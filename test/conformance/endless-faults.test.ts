// An #AC at ring 3 whose handler, at ring 3 too, has a stack that is not aligned either: its frame is the next #AC, and no instruction
// runs again. Silicon never comes back from there (SDM Vol. 3A, "Interrupt 17—Alignment Check Exception": it is benign, so no double fault); the host must.
import { expect, it } from "vitest";
import { CODE, flatGuest } from "../support/flat-guest.ts";

const USER_CODE = 0x1b, USER_DATA = 0x23, GDT = 0x2000, IDT = 0x3000, HANDLER = CODE + 0x100;
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
