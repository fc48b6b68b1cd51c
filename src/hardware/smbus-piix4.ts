// SMBus host controller of the 82371AB (PIIX4): sixteen ports where software looks for memory modules and sensors. None is on this bus:
// every transfer ends with "nobody acknowledged".
// Manual: Intel 82371AB (PIIX4), "SMBus I/O Space Registers".
//
// Not implemented: devices on the bus, the slave side (its registers are kept), interrupts.

import { byteRegion } from "./bus.ts";
import type { Device, DeviceState, Region } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

export const SMBUS_PORTS = 16;
const HOST_STATUS = 0x0, SLAVE_STATUS = 0x1, HOST_CONTROL = 0x2, BLOCK_DATA = 0x7;
const STATUS_DEVICE_ERROR = 0x04, STATUS_FAILED = 0x10, STATUS_CLEARABLE = 0x1e;
const CONTROL_KILL = 0x02, CONTROL_START = 0x40, CONTROL_KEPT = 0x1f;
const BLOCK_BYTES = 32;

function powerOn() {
  return { registers: new Uint8Array(SMBUS_PORTS), block: new Uint8Array(BLOCK_BYTES), blockIndex: 0 };
}

export class Piix4Smbus implements Device {
  readonly id = "piix4-smbus";
  readonly region: Region = byteRegion({ read: (offset) => this.read(offset), write: (offset, value) => this.write(offset, value) });
  private r = powerOn();

  reset(): void {
    this.r = powerOn();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, powerOn(), state);
  }

  /** The block data port walks through its 32 bytes; a read of the control register goes back to the first. */
  private read(offset: number): number {
    const { r } = this;
    if (offset === HOST_CONTROL) r.blockIndex = 0;
    if (offset !== BLOCK_DATA) return r.registers[offset]!;
    const value = r.block[r.blockIndex % BLOCK_BYTES]!;
    r.blockIndex = (r.blockIndex + 1) % BLOCK_BYTES;
    return value;
  }

  private write(offset: number, value: number): void {
    const { r } = this;
    switch (offset) {
      case HOST_STATUS:
        r.registers[HOST_STATUS]! &= ~(value & STATUS_CLEARABLE);
        break;
      case SLAVE_STATUS:
        r.registers[SLAVE_STATUS]! &= ~value;
        break;
      case HOST_CONTROL:
        r.registers[HOST_CONTROL] = value & CONTROL_KEPT & ~CONTROL_KILL;
        if ((value & CONTROL_KILL) !== 0) r.registers[HOST_STATUS]! |= STATUS_FAILED;
        else if ((value & CONTROL_START) !== 0) r.registers[HOST_STATUS]! |= STATUS_DEVICE_ERROR;
        break;
      case BLOCK_DATA:
        r.block[r.blockIndex % BLOCK_BYTES] = value;
        r.blockIndex = (r.blockIndex + 1) % BLOCK_BYTES;
        break;
      default:
        r.registers[offset] = value;
    }
  }
}
