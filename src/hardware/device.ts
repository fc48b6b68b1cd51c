// What a PC device is given and what it offers. A device does not know where it lives:
// the board (machine/pc.ts) attaches its regions to ports or memory and injects its lines.

/** Access width in bytes. */
export type Width = 1 | 2 | 4;

/** A window of registers: ports or memory. `offset` counts from the start of the window; values are unsigned. */
export interface Region {
  read(offset: number, width: Width): number;
  write(offset: number, width: Width, value: number): void;
  /**
   * Optional bulk path for REP INS: fills `into` with `into.length / width` reads of `offset`.
   * Returns the number of bytes really transferred (a multiple of `width`, 0 = use `read`).
   */
  readBlock?(offset: number, width: Width, into: Uint8Array): number;
  /** Optional bulk path for REP OUTS, the mirror of `readBlock`. */
  writeBlock?(offset: number, width: Width, from: Uint8Array): number;
}

/** Plain JSON-able state (numbers, strings, booleans, arrays, nested objects, Uint8Array). */
export type DeviceState = { [key: string]: unknown };

/** A chip. `save` then `load` into a fresh device gives an identical device. */
export interface Device {
  /** Part number or short name, stable: names the device in snapshots. */
  readonly id: string;
  /** Power-on or hardware reset: every register takes its datasheet value. */
  reset(): void;
  save(): DeviceState;
  load(state: DeviceState): void;
}

/** An interrupt request, DREQ or similar wire. Setting the present level again does nothing. */
export interface Line {
  set(level: boolean): void;
}

/** A one-shot timer in guest time. */
export interface Timer {
  /** Expires once when guest time reaches `atNs` (a time in the past expires at the next instruction boundary). Replaces an earlier arming. */
  arm(atNs: number): void;
  cancel(): void;
  /** The armed time, or Infinity. */
  readonly deadlineNs: number;
}

/** Guest time. Nothing below `worker/` reads any other clock. */
export interface Clock {
  /** Guest nanoseconds since power-on; a double, exact for 104 days. Never goes back. */
  nowNs(): number;
  timer(onExpire: (nowNs: number) => void): Timer;
  /** Guest UTC at power-on in milliseconds since 1970, for the RTC. */
  readonly epochMs: number;
}

/** Takes bytes that a device sends to the outside (UART, debug console). */
export interface ByteSink {
  byte(value: number): void;
}

/** Physical memory as a bus master sees it. Stores go through the same hooks as the processor's (code pages). */
export interface PhysicalMemory {
  read(physical: number, into: Uint8Array): void;
  write(physical: number, from: Uint8Array): void;
}

/** A medium in sectors, already under its copy-on-write overlay. Synchronous: lazy readers block the worker. */
export interface BlockDevice {
  readonly sectorSize: number;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  /** Fills `into` (a multiple of `sectorSize`) from sector `lba`. */
  read(lba: number, into: Uint8Array): void;
  write(lba: number, from: Uint8Array): void;
  flush(): void;
}

/** Bytes from anywhere: File.slice, OPFS, fs, a test. `read` fills `into` whole or throws. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, into: Uint8Array): void;
}
