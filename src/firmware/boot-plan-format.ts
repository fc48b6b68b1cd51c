// The boot plan: what the firmware copies where, and how it enters it, when it finds
// the two fw_cfg files named here. All numbers little-endian.
//
//   BOOT_PLAN_FILE
//      0  u32  "TSBP"
//      4  u16  version, 1
//      6  u16  16: real mode, 32: flat protected mode
//      8  u32  number of chunks, at most 64
//     12  u32  0
//     16  u32  eip, esp, eax, ebx, ecx, edx, esi, edi, ebp
//     52  u16  cs, ss, ds, es, fs, gs (real mode; in protected mode all are flat, 4 GB)
//     64  a chunk: u32 physical address, u32 length; bit 31 of the length: fill with zeros
//   BOOT_DATA_FILE
//      the bytes of the chunks that are not zeros, in order, nothing between them
//
// Interrupts are off at the entry and A20 is open. Chunks keep clear of the firmware's
// memory: below 500h, and from 9FC00h to 1 MB.

export const BOOT_PLAN_FILE = "opt/trapscope/bootplan";
export const BOOT_DATA_FILE = "opt/trapscope/bootdata";

const MAGIC = 0x50425354; // "TSBP"
const VERSION = 1;
const HEADER_BYTES = 64;
const MAX_CHUNKS = 64;
const ZEROS = 0x80000000;

export type BootChunk = { readonly address: number } & ({ readonly bytes: Uint8Array } | { readonly zeros: number });

interface BootRegisters {
  readonly eip: number;
  readonly esp: number;
  readonly eax?: number;
  readonly ebx?: number;
  readonly ecx?: number;
  readonly edx?: number;
  readonly esi?: number;
  readonly edi?: number;
  readonly ebp?: number;
}

/** Real mode with every segment, or flat 32-bit protected mode. */
export type BootEntry =
  | ({ readonly mode: 32 } & BootRegisters)
  | ({ readonly mode: 16; readonly cs: number; readonly ss: number; readonly ds: number; readonly es: number; readonly fs: number; readonly gs: number } & BootRegisters);

/** The contents of the two files. */
export interface BootPlan {
  readonly plan: Uint8Array;
  readonly data: Uint8Array;
}

export function encodeBootPlan(chunks: readonly BootChunk[], entry: BootEntry): BootPlan {
  const used = chunks.filter((chunk) => chunkLength(chunk) > 0);
  if (used.length > MAX_CHUNKS) throw new RangeError(`a boot plan holds ${MAX_CHUNKS} chunks, not ${used.length}`);
  const plan = new Uint8Array(HEADER_BYTES + used.length * 8);
  const view = new DataView(plan.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, entry.mode, true);
  view.setUint32(8, used.length, true);
  const { eip, esp, eax = 0, ebx = 0, ecx = 0, edx = 0, esi = 0, edi = 0, ebp = 0 } = entry;
  [eip, esp, eax, ebx, ecx, edx, esi, edi, ebp].forEach((value, i) => view.setUint32(16 + i * 4, value, true));
  if (entry.mode === 16) {
    const { cs, ss, ds, es, fs, gs } = entry;
    [cs, ss, ds, es, fs, gs].forEach((value, i) => view.setUint16(52 + i * 2, value, true));
  }
  const stored = used.filter((chunk) => "bytes" in chunk);
  const data = new Uint8Array(stored.reduce((sum, chunk) => sum + chunkLength(chunk), 0));
  let at = 0;
  used.forEach((chunk, i) => {
    view.setUint32(HEADER_BYTES + i * 8, chunk.address, true);
    if ("bytes" in chunk) {
      view.setUint32(HEADER_BYTES + i * 8 + 4, chunk.bytes.length, true);
      data.set(chunk.bytes, at);
      at += chunk.bytes.length;
    } else {
      view.setUint32(HEADER_BYTES + i * 8 + 4, (chunk.zeros | ZEROS) >>> 0, true);
    }
  });
  return { plan, data };
}

function chunkLength(chunk: BootChunk): number {
  return "bytes" in chunk ? chunk.bytes.length : chunk.zeros;
}
