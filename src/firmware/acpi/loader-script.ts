// The ACPI tables as files of fw_cfg, with the script by which a firmware places them in its memory and links them.
// QEMU, include/hw/acpi/bios-linker-loader ("etc/table-loader"): 128 bytes a command.

import type { Board } from "./board.ts";
import { acpiTables, type AcpiTable, CHECKSUM_AT, facs, rsdp, RSDP_BYTES, RSDP_CHECKSUM_AT, RSDP_POINTER_AT } from "./tables.ts";

const TABLES_FILE = "etc/acpi/tables", RSDP_FILE = "etc/acpi/rsdp", SCRIPT_FILE = "etc/table-loader";
const COMMAND_BYTES = 128, FILE_NAME_BYTES = 56;
const ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3;
const ZONE_HIGH = 1, ZONE_F_SEGMENT = 2;
const FACS_ALIGNMENT = 64, RSDP_ALIGNMENT = 16, TABLE_ALIGNMENT = 8;

type Field = string | { readonly u32: number } | { readonly u8: number };

function command(kind: number, ...fields: readonly Field[]): Uint8Array {
  const bytes = new Uint8Array(COMMAND_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, kind, true);
  let at = 4;
  for (const field of fields) {
    if (typeof field === "string") {
      for (let i = 0; i < field.length; i++) bytes[at + i] = field.charCodeAt(i);
      at += FILE_NAME_BYTES;
    } else if ("u32" in field) {
      view.setUint32(at, field.u32, true);
      at += 4;
    } else {
      bytes[at++] = field.u8;
    }
  }
  return bytes;
}

/** Files by their names. */
export function acpiFiles(board: Board): ReadonlyMap<string, Uint8Array> {
  const script: Uint8Array[] = [
    command(ALLOCATE, TABLES_FILE, { u32: FACS_ALIGNMENT }, { u8: ZONE_HIGH }),
    command(ALLOCATE, RSDP_FILE, { u32: RSDP_ALIGNMENT }, { u8: ZONE_F_SEGMENT }),
  ];
  const offsets = new Map<string, number>();
  const all: readonly AcpiTable[] = [facs(), ...acpiTables(board)];
  let size = 0;
  for (const { signature, bytes } of all) {
    offsets.set(signature, size);
    size += Math.ceil(bytes.length / TABLE_ALIGNMENT) * TABLE_ALIGNMENT;
  }
  const blob = new Uint8Array(size);
  const view = new DataView(blob.buffer);
  for (const { signature, bytes, pointers } of all) {
    const base = offsets.get(signature)!;
    blob.set(bytes, base);
    for (const { offset, target } of pointers) {
      view.setUint32(base + offset, offsets.get(target)!, true);
      script.push(command(ADD_POINTER, TABLES_FILE, TABLES_FILE, { u32: base + offset }, { u8: 4 }));
    }
    if (pointers.length === 0) continue;
    blob[base + CHECKSUM_AT] = 0;
    script.push(command(ADD_CHECKSUM, TABLES_FILE, { u32: base + CHECKSUM_AT }, { u32: base }, { u32: bytes.length }));
  }
  const root = rsdp();
  root[RSDP_CHECKSUM_AT] = 0;
  new DataView(root.buffer).setUint32(RSDP_POINTER_AT, offsets.get("RSDT")!, true);
  script.push(
    command(ADD_POINTER, RSDP_FILE, TABLES_FILE, { u32: RSDP_POINTER_AT }, { u8: 4 }),
    command(ADD_CHECKSUM, RSDP_FILE, { u32: RSDP_CHECKSUM_AT }, { u32: 0 }, { u32: RSDP_BYTES }),
  );
  const joined = new Uint8Array(script.length * COMMAND_BYTES);
  script.forEach((bytes, i) => joined.set(bytes, i * COMMAND_BYTES));
  return new Map([[TABLES_FILE, blob], [RSDP_FILE, root], [SCRIPT_FILE, joined]]);
}
