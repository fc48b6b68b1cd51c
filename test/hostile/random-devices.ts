// Accesses to device registers that no driver would make: random ports, values and addresses for DMA, memory windows included.

import type { Machine } from "../../src/machine/machine.ts";
import type { Prng } from "../support/prng.ts";

/** Every register of the board, and where the PCI functions are put below. */
const PORTS: readonly (readonly [number, number])[] = [
  [0x00, 0x0f], [0x20, 0x21], [0x40, 0x43], [0x60, 0x64], [0x70, 0x71], [0x80, 0x8f], [0x92, 0x92], [0xa0, 0xa1], [0xb2, 0xb3], [0xc0, 0xdf], [0xf0, 0xf1],
  [0x170, 0x177], [0x1f0, 0x1f7], [0x1ce, 0x1d1], [0x2f8, 0x2ff], [0x376, 0x376], [0x3b0, 0x3df], [0x3f0, 0x3f7], [0x3f8, 0x3ff], [0x4d0, 0x4d1],
  [0x510, 0x51b], [0xcf8, 0xcff], [0xb000, 0xb03f], [0xc000, 0xc00f], [0xc100, 0xc11f],
];
const INTERESTING = [0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff, 0xec, 0xa0, 0xa1, 0xc8, 0xca, 0x25, 0x35, 0xe7, 0xef, 0x06, 0x46, 0x4a, 0x36, 0x34];
const WINDOWS: readonly (readonly [number, number])[] = [
  [0xa_0000, 0x2_0000], [0xc_0000, 0x4_0000], [0xfec0_0000, 0x40], [0xfed0_0000, 0x400], [0xfee0_0000, 0x400], [0xe000_0000, 0x100_0000], [0xfff0_0000, 0x10_0000],
  [0x20_0000, 0x1000], [0xffff_ffff, 1],
];
/** I/O ports decoded, bus master on. */
const PCI_COMMAND = 0x7;

function writeConfig(machine: Machine, device: number, fn: number, register: number, value: number): void {
  machine.pc.io.write(0xcf8, 4, (0x8000_0000 | (device << 11) | (fn << 8) | register) >>> 0);
  machine.pc.io.write(0xcfc, 4, value >>> 0);
}

/** Puts the PCI functions where their registers are looked for. */
function placeFunctions(machine: Machine): void {
  writeConfig(machine, 1, 1, 0x20, 0xc001);
  writeConfig(machine, 1, 3, 0x40, 0xb001);
  writeConfig(machine, 1, 3, 0x80, 1);
  writeConfig(machine, 3, 0, 0x10, 0xc101);
  writeConfig(machine, 2, 0, 0x10, 0xe000_0000);
  for (const [device, fn] of [[1, 1], [1, 3], [2, 0], [3, 0]] as const) writeConfig(machine, device, fn, 4, PCI_COMMAND);
}

function value(random: Prng): number {
  return random.oneIn(3) ? random.pick(INTERESTING) : random.oneIn(3) ? random.next() : random.below(256);
}

/** A table of physical regions at a random place, as the bus master reads it, and a command that uses it. */
function startBusMaster(machine: Machine, random: Prng): void {
  const { io } = machine.pc;
  const table = random.oneIn(4) ? random.next() & ~3 : random.below(0x20_0000) & ~3, second = random.oneIn(2);
  const entry = new Uint8Array(8);
  const view = new DataView(entry.buffer);
  for (let n = 0; n < 3; n++) {
    view.setUint32(0, random.oneIn(3) ? random.next() : random.below(0x20_0000), true);
    view.setUint32(4, (random.oneIn(3) ? 0x8000_0000 : 0) | random.below(0x1_0000), true);
    machine.memory.writePhysical(table + n * 8, entry);
  }
  const bus = second ? 0xc008 : 0xc000, command = second ? 0x170 : 0x1f0;
  io.write(bus + 4, 4, table >>> 0);
  for (let register = 2; register <= 6; register++) io.write(command + register, 1, register === 6 ? 0xe0 : random.below(8));
  io.write(command + 7, 1, random.pick([0xc8, 0xca, 0x25, 0x35, 0xa0]));
  io.write(bus, 1, 1 | (random.oneIn(2) ? 8 : 0));
}

/** The 8237 with any address and count, and a floppy command that uses it. */
function startFloppy(machine: Machine, random: Prng): void {
  const { io } = machine.pc;
  io.write(0x0a, 1, 6);
  io.write(0x0c, 1, 0);
  for (const port of [0x04, 0x04, 0x05, 0x05]) io.write(port, 1, random.below(256));
  io.write(0x81, 1, random.below(256));
  io.write(0x0b, 1, random.below(256) & ~3 | 2);
  io.write(0x0a, 1, 2);
  io.write(0x3f2, 1, 0x1c);
  for (const byte of [random.pick([0x46, 0x45, 0x66, 0xc6, 0x4d, 0x0f, 7]), random.below(8), random.below(90), random.below(3), random.below(40), 2, 18, 27, 0xff]) io.write(0x3f5, 1, byte);
}

export function randomDeviceAccess(machine: Machine, random: Prng): void {
  const { io } = machine.pc;
  switch (random.below(40)) {
    case 0: return placeFunctions(machine);
    case 1: return startBusMaster(machine, random);
    case 2: return startFloppy(machine, random);
    case 3: {
      const [device, fn] = random.pick([[0, 0], [1, 0], [1, 1], [1, 3], [2, 0], [3, 0], [31, 7]] as const);
      return writeConfig(machine, device, fn, random.below(64) * 4, random.next());
    }
    case 4: {
      const bytes = new Uint8Array(1 + random.below(600));
      const [first, length] = random.pick(WINDOWS);
      return void (random.oneIn(2) ? machine.physical.readBytes((first + random.below(length)) >>> 0, bytes) : machine.physical.writeBytes((first + random.below(length)) >>> 0, bytes));
    }
    case 5: case 6: case 7: case 8: {
      const [first, length] = random.pick(WINDOWS), width = random.pick([1, 2, 4] as const), address = (first + random.below(length)) >>> 0;
      if (random.oneIn(2)) machine.physical.read(address, width);
      else machine.physical.write(address, width, width === 4 ? random.next() : random.below(1 << (8 * width)));
      return;
    }
    case 9: return void machine.pc.serial[random.below(2) as 0 | 1].receive(random.below(256));
    case 10: return machine.pc.keyboard.type([]);
    default: {
      const [first, last] = random.oneIn(50) ? [0, 0xffff] : random.pick(PORTS);
      const port = first + random.below(last - first + 1), width = random.oneIn(3) ? random.pick([1, 2, 4] as const) : 1;
      const v = value(random);
      if (random.oneIn(3)) io.read(port, width);
      else io.write(port, width, width === 4 ? v >>> 0 : v & (width === 2 ? 0xffff : 0xff));
    }
  }
}
