// The tables for our own firmware: ACPI's and the MP table, linked for the segment E000h, where tables.asm puts them.

import type { Board } from "./board.ts";
import { mpPointer, mpTable } from "./mp-table.ts";
import { acpiTables, CHECKSUM_AT, rsdp, RSDP_BYTES, RSDP_CHECKSUM_AT, RSDP_POINTER_AT, sum } from "./tables.ts";

/** The fw_cfg file. */
export const TABLES_FILE = "opt/trapscope/tables";
const TABLES_ADDRESS = 0xe_0000;
/** In the extended BIOS data area. */
const FACS_ADDRESS = 0x9_fdc0;
/** The RSDP stands at the start; here the pointer that the firmware copies to where MP systems look. */
const MP_POINTER_AT = 0x20, FIRST_TABLE = 0x30;
const ALIGNMENT = 16;

/** `processor`: leaf 1 of CPUID, EAX and EDX. */
export function romTables(board: Board, processor: { readonly signature: number; readonly features: number }): Uint8Array {
  const placed: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  let next = FIRST_TABLE;
  const place = (bytes: Uint8Array): number => {
    const at = next;
    placed.push({ at, bytes });
    next = Math.ceil((next + bytes.length) / ALIGNMENT) * ALIGNMENT;
    return TABLES_ADDRESS + at;
  };
  const addresses = new Map([["FACS", FACS_ADDRESS]]);
  for (const { signature, bytes, pointers } of acpiTables(board)) {
    const view = new DataView(bytes.buffer);
    for (const { offset, target } of pointers) view.setUint32(offset, addresses.get(target)!, true);
    bytes[CHECKSUM_AT] = 0;
    bytes[CHECKSUM_AT] = -sum(bytes);
    addresses.set(signature, place(bytes));
  }
  const root = rsdp();
  new DataView(root.buffer).setUint32(RSDP_POINTER_AT, addresses.get("RSDT")!, true);
  root[RSDP_CHECKSUM_AT] = 0;
  root[RSDP_CHECKSUM_AT] = -sum(root.subarray(0, RSDP_BYTES));
  placed.push({ at: 0, bytes: root });
  // Where there is no I/O APIC, an MP table would promise one.
  if (board.apic) placed.push({ at: MP_POINTER_AT, bytes: mpPointer(place(mpTable(processor.signature, processor.features))) });
  const segment = new Uint8Array(next);
  for (const { at, bytes } of placed) segment.set(bytes, at);
  return segment;
}
