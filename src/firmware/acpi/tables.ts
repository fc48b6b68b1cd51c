// The ACPI tables of the board, and where they point to each other. They are laid out twice: at fixed addresses, for our own ROM, and
// as files with a script that tells a firmware how to place them (loader-script.ts).
// ACPI Specification 1.0b and 2.0, "ACPI Software Programming Model"; Intel, IA-PC HPET Specification, "The ACPI 2.0 HPET Description Table".

import { HPET_CAPABILITIES } from "../../hardware/hpet.ts";
import { ACPI_DISABLE, ACPI_ENABLE } from "../../hardware/acpi-pm.ts";
import { type Board, HPET_ADDRESS, IO_APIC_ADDRESS, IO_APIC_ID, LOCAL_APIC_ADDRESS, PCI_LINES, PM_BASE, SCI, SMI_COMMAND } from "./board.ts";
import { dsdtBody } from "./dsdt.ts";

/** A table, with the places in it that hold the address of another one. */
export interface AcpiTable {
  readonly signature: string;
  readonly bytes: Uint8Array;
  readonly pointers: readonly { readonly offset: number; readonly target: string }[];
}

const HEADER = 36;
export const CHECKSUM_AT = 9;
export const RSDP_BYTES = 20, RSDP_CHECKSUM_AT = 8, RSDP_POINTER_AT = 16;
const FACS_BYTES = 64;

class Writer {
  readonly bytes: number[] = [];
  constructor(...initial: readonly number[]) {
    this.bytes.push(...initial);
  }
  u8(...values: readonly number[]): this {
    this.bytes.push(...values);
    return this;
  }
  u16(value: number): this {
    return this.u8(value & 0xff, (value >>> 8) & 0xff);
  }
  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }
  text(value: string, length: number): this {
    return this.u8(...Array.from({ length }, (_, i) => value.charCodeAt(i) || 0x20));
  }
  zeros(count: number): this {
    return this.u8(...new Array<number>(count).fill(0));
  }
  /** A generic address: space 0 is memory, 1 ports. */
  address(space: number, bits: number, address: number): this {
    return this.u8(space, bits, 0, 0).u32(address).u32(0);
  }
}

/** Length and a checksum over the table as it stands; pointers that are filled in later need it again. */
function table(signature: string, revision: number, body: readonly number[], pointers: AcpiTable["pointers"] = []): AcpiTable {
  const header = new Writer().text(signature, 4).u32(HEADER + body.length).u8(revision, 0).text("TSCOPE", 6).text("TSCOPEPC", 8).u32(1).text("TSCP", 4).u32(1);
  const bytes = Uint8Array.from([...header.bytes, ...body]);
  bytes[CHECKSUM_AT] = -sum(bytes);
  return { signature, bytes, pointers };
}

export function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0) & 0xff;
}

/** The RAM in which firmware and operating system meet; ROM cannot hold it. */
export function facs(): AcpiTable {
  const bytes = new Writer().text("FACS", 4).u32(FACS_BYTES).zeros(FACS_BYTES - 8).bytes;
  return { signature: "FACS", bytes: Uint8Array.from(bytes), pointers: [] };
}

const PM1_CONTROL = 4, PM_TIMER = 8, GPE0 = 12;
const WBINVD = 1 << 0, PROC_C1 = 1 << 2, SLEEP_BUTTON_ABSENT = 1 << 5, RTC_WAKE_ABSENT = 1 << 6;
const NO_C2 = 0xfff, NO_C3 = 0xfff;
const CENTURY = 0x32;

function fadt(): AcpiTable {
  const w = new Writer();
  w.u32(0).u32(0); // FACS, DSDT
  w.u8(1, 0).u16(SCI); // several interrupt models
  w.u32(SMI_COMMAND).u8(ACPI_ENABLE, ACPI_DISABLE, 0, 0);
  w.u32(PM_BASE).u32(0).u32(PM_BASE + PM1_CONTROL).u32(0).u32(0).u32(PM_BASE + PM_TIMER).u32(PM_BASE + GPE0).u32(0);
  w.u8(4, 2, 0, 4, 4, 0, 0, 0);
  w.u16(NO_C2).u16(NO_C3).u16(0).u16(0).u8(0, 0, 0, 0, CENTURY).u8(0, 0, 0);
  w.u32(WBINVD | PROC_C1 | SLEEP_BUTTON_ABSENT | RTC_WAKE_ABSENT);
  return table("FACP", 1, w.bytes, [{ offset: HEADER, target: "FACS" }, { offset: HEADER + 4, target: "DSDT" }]);
}

const PCAT_COMPATIBLE = 1;
/** MPS INTI flags: active high, level-triggered. */
const LEVEL_HIGH = 0x000d;
const TIMER_INPUT = 2;

function madt(): AcpiTable {
  const w = new Writer().u32(LOCAL_APIC_ADDRESS).u32(PCAT_COMPATIBLE);
  w.u8(0, 8, 0, 0).u32(1); // processor 0, local APIC 0, enabled
  w.u8(1, 12, IO_APIC_ID, 0).u32(IO_APIC_ADDRESS).u32(0);
  w.u8(2, 10, 0, 0).u32(TIMER_INPUT).u16(0); // IRQ 0 comes in at input 2
  for (const irq of [...PCI_LINES, SCI].sort((a, b) => a - b)) w.u8(2, 10, 0, irq).u32(irq).u16(LEVEL_HIGH);
  w.u8(4, 6, 0xff).u16(0).u8(1); // NMI at LINT1 of every processor
  return table("APIC", 1, w.bytes);
}

function hpet(): AcpiTable {
  const w = new Writer().u32(HPET_CAPABILITIES).address(0, 0, HPET_ADDRESS).u8(0).u16(0x80).u8(0);
  return table("HPET", 1, w.bytes);
}

/** Every table but the FACS, the RSDT last. */
export function acpiTables(board: Board): readonly AcpiTable[] {
  const listed = [fadt(), ...(board.apic ? [madt(), hpet()] : [])];
  const rsdt = table("RSDT", 1, listed.flatMap(() => [0, 0, 0, 0]), listed.map(({ signature }, i) => ({ offset: HEADER + 4 * i, target: signature })));
  return [table("DSDT", 1, dsdtBody(board)), ...listed, rsdt];
}

/** The structure that a search finds; its pointer to the RSDT is still empty. */
export function rsdp(): Uint8Array {
  const bytes = Uint8Array.from(new Writer().text("RSD PTR ", 8).u8(0).text("TSCOPE", 6).u8(0).u32(0).bytes);
  bytes[RSDP_CHECKSUM_AT] = -sum(bytes);
  return bytes;
}
