// The registers of the guest's processor as GDB sees them: order, widths, target description.
// GDB manual, "Target Descriptions", "i386 Features": org.gnu.gdb.i386.core and .sse are GDB's own; the system registers stand in a
// feature of this project, which GDB shows without knowing them.

import type { RegisterFile, RegisterPart, SegmentState } from "../machine/guest-registers.ts";

export interface GdbRegister {
  readonly name: string;
  readonly bytes: number;
  readonly feature: "core" | "sse" | "system";
  /** Type in the target description. */
  readonly type: string;
  /** For "info float", "info vector", "info registers system". */
  readonly group?: string;
  read(file: RegisterFile): Uint8Array;
  /** What is to be set; null: cannot be written. */
  write(bytes: Uint8Array, file: RegisterFile): RegisterPart | null;
}

type NumberName = {
  [K in keyof RegisterFile]: RegisterFile[K] extends number ? K : never;
}[keyof RegisterFile];
type SegmentName = { [K in keyof RegisterFile]: RegisterFile[K] extends SegmentState ? K : never }[keyof RegisterFile];

function word(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

function wordOf(bytes: Uint8Array): number {
  return (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;
}

function number(name: NumberName, feature: GdbRegister["feature"], type = "int32"): GdbRegister {
  return { name, bytes: 4, feature, type, read: (file) => word(file[name]), write: (bytes) => ({ [name]: wordOf(bytes) }) };
}

const CR0_PE = 1, EFLAGS_VM = 0x2_0000;

/** A selector alone says what the segment is in real and virtual-8086 mode; in protected mode it cannot be written here. */
function selector(name: SegmentName): GdbRegister {
  return {
    name, bytes: 4, feature: "core", type: "int32", read: (file) => word(file[name].selector),
    write: (bytes, file) => {
      const value = wordOf(bytes) & 0xffff;
      if (value === file[name].selector) return {};
      return file.cr0 & CR0_PE && !(file.eflags & EFLAGS_VM) ? null : { [name]: { selector: value, base: value * 16 } };
    },
  };
}

function segmentField(name: SegmentName, field: "base" | "limit" | "access" | "selector", type = "int32"): GdbRegister {
  return {
    name: field === "selector" ? name : `${name}_${field}`, bytes: 4, feature: "system", type,
    read: (file) => word(file[name][field]), write: (bytes) => ({ [name]: { [field]: wordOf(bytes) } }),
  };
}

function tableField(name: "gdtr" | "idtr", field: "base" | "limit"): GdbRegister {
  return {
    name: `${name}_${field}`, bytes: 4, feature: "system", type: field === "base" ? "data_ptr" : "int32",
    read: (file) => word(file[name][field]), write: (bytes) => ({ [name]: { [field]: wordOf(bytes) } }),
  };
}

const ST_BYTES = 10, XMM_BYTES = 16, TOP_SHIFT = 11, EMPTY = 3;

function st(n: number): GdbRegister {
  return {
    name: `st${n}`, bytes: ST_BYTES, feature: "core", type: "i387_ext", read: (file) => file.x87.registers.slice(n * ST_BYTES, (n + 1) * ST_BYTES),
    write: (bytes, file) => {
      const registers = file.x87.registers.slice();
      registers.set(bytes, n * ST_BYTES);
      return { x87: { registers } };
    },
  };
}

type X87Word = Exclude<keyof RegisterFile["x87"], "registers">;

function x87(name: string, field: X87Word): GdbRegister {
  return {
    name, bytes: 4, feature: "core", type: "int", group: "float", read: (file) => word(field === "tag" ? fullTag(file) : file.x87[field]),
    write: (bytes) => ({ x87: { [field]: wordOf(bytes) } }),
  };
}

/** The tag word as FNSTENV stores it: the class of the contents of every register that is not empty. */
function fullTag({ x87: { tag, status, registers } }: RegisterFile): number {
  const top = (status >> TOP_SHIFT) & 7;
  let full = 0;
  for (let physical = 0; physical < 8; physical++) {
    const at = ((physical - top) & 7) * ST_BYTES;
    full |= (((tag >> (physical * 2)) & 3) === EMPTY ? EMPTY : classOf(registers.subarray(at, at + ST_BYTES))) << (physical * 2);
  }
  return full;
}

const VALID = 0, ZERO = 1, SPECIAL = 2;

function classOf(value: Uint8Array): number {
  const exponent = (value[8]! | (value[9]! << 8)) & 0x7fff;
  if (exponent === 0) return value.subarray(0, 8).every((byte) => byte === 0) ? ZERO : SPECIAL;
  return exponent === 0x7fff || (value[7]! & 0x80) === 0 ? SPECIAL : VALID;
}

function xmm(n: number): GdbRegister {
  return {
    name: `xmm${n}`, bytes: XMM_BYTES, feature: "sse", type: "vec128", group: "vector", read: (file) => file.xmm.slice(n * XMM_BYTES, (n + 1) * XMM_BYTES),
    write: (bytes, file) => {
      const all = file.xmm.slice();
      all.set(bytes, n * XMM_BYTES);
      return { xmm: all };
    },
  };
}

const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** By GDB's numbers. */
export const GDB_REGISTERS: readonly GdbRegister[] = [
  ...(["eax", "ecx", "edx", "ebx"] as const).map((name) => number(name, "core")),
  number("esp", "core", "data_ptr"), number("ebp", "core", "data_ptr"), number("esi", "core"), number("edi", "core"),
  number("eip", "core", "code_ptr"), number("eflags", "core", "i386_eflags"),
  ...(["cs", "ss", "ds", "es", "fs", "gs"] as const).map(selector),
  ...EIGHT.map(st),
  x87("fctrl", "control"), x87("fstat", "status"), x87("ftag", "tag"), x87("fiseg", "instructionSelector"), x87("fioff", "instructionOffset"),
  x87("foseg", "operandSelector"), x87("fooff", "operandOffset"), x87("fop", "opcode"),
  ...EIGHT.map(xmm),
  { ...number("mxcsr", "sse", "i386_mxcsr"), group: "vector" },
  number("cr0", "system", "i386_cr0"), number("cr2", "system", "data_ptr"), number("cr3", "system", "data_ptr"), number("cr4", "system", "i386_cr4"),
  ...(["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"] as const).map((name) => number(name, "system", "uint32")),
  number("cpl", "system"),
  ...SEGMENTS.flatMap((name) => [segmentField(name, "base", "data_ptr"), segmentField(name, "limit", "uint32"), segmentField(name, "access", "uint32")]),
  ...(["ldtr", "tr"] as const).flatMap((name) => [
    segmentField(name, "selector"), segmentField(name, "base", "data_ptr"), segmentField(name, "limit", "uint32"), segmentField(name, "access", "uint32"),
  ]),
  tableField("gdtr", "base"), tableField("gdtr", "limit"), tableField("idtr", "base"), tableField("idtr", "limit"),
];

const flags = (id: string, bits: Readonly<Record<string, number>>): string =>
  `<flags id="${id}" size="4">${Object.entries(bits).map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`).join("")}</flags>`;

const EFLAGS_BITS = { CF: 0, "": 1, PF: 2, AF: 4, ZF: 6, SF: 7, TF: 8, IF: 9, DF: 10, OF: 11, NT: 14, RF: 16, VM: 17, AC: 18, VIF: 19, VIP: 20, ID: 21 };
const CR0_BITS = { PE: 0, MP: 1, EM: 2, TS: 3, ET: 4, NE: 5, WP: 16, AM: 18, NW: 29, CD: 30, PG: 31 };
const CR4_BITS = { VME: 0, PVI: 1, TSD: 2, DE: 3, PSE: 4, PAE: 5, MCE: 6, PGE: 7, PCE: 8, OSFXSR: 9, OSXMMEXCPT: 10, UMIP: 11 };
const MXCSR_BITS = { IE: 0, DE: 1, ZE: 2, OE: 3, UE: 4, PE: 5, DAZ: 6, IM: 7, DM: 8, ZM: 9, OM: 10, UM: 11, PM: 12, FZ: 15 };

const VECTOR_TYPES = [["v4f", "ieee_single", 4], ["v2d", "ieee_double", 2], ["v16i8", "int8", 16], ["v8i16", "int16", 8], ["v4i32", "int32", 4], ["v2i64", "int64", 2]] as const;
const VEC128 =
  VECTOR_TYPES.map(([id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`).join("") +
  `<union id="vec128">${[["v4_float", "v4f"], ["v2_double", "v2d"], ["v16_int8", "v16i8"], ["v8_int16", "v8i16"], ["v4_int32", "v4i32"], ["v2_int64", "v2i64"]]
    .map(([name, type]) => `<field name="${name}" type="${type}"/>`).join("")}<field name="uint128" type="uint128"/></union>`;

const FEATURES = [
  { key: "core", name: "org.gnu.gdb.i386.core", types: flags("i386_eflags", EFLAGS_BITS) },
  { key: "sse", name: "org.gnu.gdb.i386.sse", types: VEC128 + flags("i386_mxcsr", MXCSR_BITS) },
  { key: "system", name: "org.trapscope.i386.system", types: flags("i386_cr0", CR0_BITS) + flags("i386_cr4", CR4_BITS) },
] as const;

function describe(register: GdbRegister, number: number): string {
  const group = register.group ?? (register.feature === "system" ? "system" : undefined);
  return `<reg name="${register.name}" bitsize="${register.bytes * 8}" type="${register.type}" regnum="${number}"${group ? ` group="${group}"` : ""}/>`;
}

/** The target description. */
export const TARGET_XML = `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>i386</architecture>${FEATURES.map(
  ({ key, name, types }) =>
    `<feature name="${name}">${types}${GDB_REGISTERS.map((register, n) => (register.feature === key ? describe(register, n) : "")).join("")}</feature>`,
).join("")}</target>`;
