// The guest's memory as a debugger reads and writes it: by linear address through the guest's own paging, without setting a bit
// in its tables, or by physical address. Devices are not touched: their registers may change when they are read.

import type { Cpu } from "../cpu/cpu.ts";
import type { GuestPhysical } from "./physical.ts";

const PAGE = 4096;

export class GuestMemory {
  private readonly cpu: Cpu;
  private readonly physical: GuestPhysical;

  constructor(cpu: Cpu, physical: GuestPhysical) {
    this.cpu = cpu;
    this.physical = physical;
  }

  /** Physical address of a linear one of the guest, or -1 where nothing is mapped. */
  translate(linear: number): number {
    const { cpu } = this;
    const back = cpu.context === cpu.v.context ? "V" : "H";
    if (back === "H") cpu.switchContext("V");
    const physical = cpu.peekPhysical(linear | 0);
    if (back === "H") cpu.switchContext("H");
    return physical;
  }

  /** What can be read from `linear` on, `length` bytes at most; less where the next page is not there or is no memory. */
  read(linear: number, length: number): Uint8Array {
    return this.gather(linear, length, (address) => this.translate(address));
  }

  readPhysical(address: number, length: number): Uint8Array {
    return this.gather(address, length, (at) => at);
  }

  /** False: some of the bytes are not there or not RAM, and nothing was written. Write protection does not count. */
  write(linear: number, bytes: Uint8Array): boolean {
    return this.scatter(linear, bytes, (address) => this.translate(address));
  }

  writePhysical(address: number, bytes: Uint8Array): boolean {
    return this.scatter(address, bytes, (at) => at);
  }

  /** Whether a write of these bytes would be made. */
  isWritable(space: "linear" | "physical", start: number, length: number): boolean {
    return pieces(start, length).every(({ address }) => {
      const physical = space === "linear" ? this.translate(address) : address;
      return physical >= 0 && this.physical.hostPage(physical >>> 12) !== 0 && !this.physical.isReadOnly(physical >>> 12);
    });
  }

  private gather(start: number, length: number, translate: (address: number) => number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const { address, count } of pieces(start, length)) {
      const physical = translate(address);
      if (physical < 0 || this.physical.hostPage(physical >>> 12) === 0) break;
      this.physical.readBytes(physical, bytes.subarray(done, done + count));
      done += count;
    }
    return bytes.subarray(0, done);
  }

  private scatter(start: number, bytes: Uint8Array, translate: (address: number) => number): boolean {
    const targets = pieces(start, bytes.length).map(({ address, count }) => ({ physical: translate(address), count }));
    for (const { physical } of targets) {
      if (physical < 0 || this.physical.hostPage(physical >>> 12) === 0 || this.physical.isReadOnly(physical >>> 12)) return false;
    }
    let done = 0;
    for (const { physical, count } of targets) {
      this.physical.writeBytes(physical, bytes.subarray(done, done + count));
      done += count;
    }
    return true;
  }
}

/** A range cut at page boundaries; wraps at 4 GB. */
function pieces(start: number, length: number): { address: number; count: number }[] {
  const result: { address: number; count: number }[] = [];
  for (let done = 0; done < length; ) {
    const address = (start + done) >>> 0;
    const count = Math.min(length - done, PAGE - (address & (PAGE - 1)));
    result.push({ address, count });
    done += count;
  }
  return result;
}
