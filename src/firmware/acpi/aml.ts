// An assembler for ACPI Machine Language, as much as the DSDT needs: each function gives the bytes of one construct.
// ACPI Specification, "ACPI Machine Language (AML) Specification" and "Resource Data Types for ACPI".

export type Aml = readonly number[];

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const dword = (value: number): number[] => [...word(value), ...word(value >>> 16)];

const DUAL_NAME = 0x2e, MULTI_NAME = 0x2f;

/** A path such as `\_SB.PCI0` or `LNKA`; every segment has four characters at the end. */
export function path(text: string): Aml {
  const root = text.startsWith("\\");
  const segments = text.replace("\\", "").split(".").map((segment) => ascii(segment.padEnd(4, "_")));
  const prefix = segments.length === 1 ? [] : segments.length === 2 ? [DUAL_NAME] : [MULTI_NAME, segments.length];
  return [...(root ? ascii("\\") : []), ...prefix, ...segments.flat()];
}

/** A package length counts its own bytes, one to four. */
function withLength(body: Aml): Aml {
  if (body.length + 1 < 0x40) return [body.length + 1, ...body];
  for (let extra = 1; extra <= 3; extra++) {
    const total = body.length + 1 + extra;
    if (total >= 2 ** (4 + 8 * extra)) continue;
    const rest = Array.from({ length: extra }, (_, i) => Math.floor(total / 2 ** (4 + 8 * i)) & 0xff);
    return [(extra << 6) | (total & 0x0f), ...rest, ...body];
  }
  throw new RangeError("AML package is too long");
}

export function integer(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value <= 0xff) return [0x0a, value];
  return value <= 0xffff ? [0x0b, ...word(value)] : [0x0c, ...dword(value)];
}

/** `PNP0A03` as the compressed number of EISA. */
export function eisaId(id: string): Aml {
  const letters = [...id.slice(0, 3)].reduce((bits, c) => (bits << 5) | (c.charCodeAt(0) - 0x40), 0);
  const digits = Number.parseInt(id.slice(3), 16);
  return [0x0c, letters >> 8, letters & 0xff, digits >> 8, digits & 0xff];
}

export const name = (at: string, value: Aml): Aml => [0x08, ...path(at), ...value];
export const scope = (at: string, ...terms: readonly Aml[]): Aml => [0x10, ...withLength([...path(at), ...terms.flat()])];
export const device = (at: string, ...terms: readonly Aml[]): Aml => [0x5b, 0x82, ...withLength([...path(at), ...terms.flat()])];
export const method = (at: string, parameters: number, ...terms: readonly Aml[]): Aml => [0x14, ...withLength([...path(at), parameters, ...terms.flat()])];
export const packageOf = (...items: readonly Aml[]): Aml => [0x12, ...withLength([items.length, ...items.flat()])];
export const buffer = (bytes: Aml): Aml => [0x11, ...withLength([...integer(bytes.length), ...bytes])];

export const PCI_CONFIG_SPACE = 2;
export const operationRegion = (at: string, space: number, offset: number, length: number): Aml => [
  0x5b, 0x80, ...path(at), space, ...integer(offset), ...integer(length),
];
const BYTE_ACCESS = 1;
/** Fields of eight bits each, one behind the other. */
export const byteFields = (region: string, ...names: readonly string[]): Aml => [
  0x5b, 0x81, ...withLength([...path(region), BYTE_ACCESS, ...names.flatMap((field) => [...path(field), 8])]),
];

export const ARG0: Aml = [0x68];
const NO_TARGET: Aml = [0];
export const and = (a: Aml, b: Aml, target = NO_TARGET): Aml => [0x7b, ...a, ...b, ...target];
export const or = (a: Aml, b: Aml, target = NO_TARGET): Aml => [0x7d, ...a, ...b, ...target];
export const store = (value: Aml, target: Aml): Aml => [0x70, ...value, ...target];
export const give = (value: Aml): Aml => [0xa4, ...value];
export const when = (condition: Aml, ...terms: readonly Aml[]): Aml => [0xa0, ...withLength([...condition, ...terms.flat()])];
export const dwordField = (source: Aml, offset: number, at: string): Aml => [0x8a, ...source, ...integer(offset), ...path(at)];

// --- resources

export const resources = (...descriptors: readonly Aml[]): Aml => buffer([...descriptors.flat(), 0x79, 0x00]);
/** Ports that are decoded with 16 bits. */
export const ports = (first: number, count: number): Aml => [0x47, 0x01, ...word(first), ...word(first), 0x01, count];
/** ISA interrupts: edges, active high. */
export const irq = (number: number): Aml => [0x22, ...word(1 << number)];
/** A channel of the 8237 with 8-bit transfers. */
export const dma = (channel: number): Aml => [0x2a, 1 << channel, 0x00];
export const fixedMemory = (base: number, length: number): Aml => [0x86, ...word(9), 0x00, ...dword(base), ...dword(length)];

const BUS_NUMBERS = 2, IO_RANGE = 1, MEMORY_RANGE = 0;
/** Fixed minimum and maximum, decoded as a whole, passed on to the bus behind. */
const PRODUCER_FIXED = 0x0c, ENTIRE_RANGE = 0x03, MEMORY_WRITABLE = 0x01, MEMORY_CACHEABLE = 0x02;
const wordRange = (kind: number, flags: number, first: number, last: number): Aml => [
  0x88, ...word(13), kind, PRODUCER_FIXED, flags, ...word(0), ...word(first), ...word(last), ...word(0), ...word(last - first + 1),
];
export const busNumbers = (first: number, last: number): Aml => wordRange(BUS_NUMBERS, 0, first, last);
export const portRange = (first: number, last: number): Aml => wordRange(IO_RANGE, ENTIRE_RANGE, first, last);
export const memoryRange = (first: number, last: number, cacheable: boolean): Aml => [
  0x87, ...word(23), MEMORY_RANGE, PRODUCER_FIXED, MEMORY_WRITABLE | (cacheable ? MEMORY_CACHEABLE : 0),
  ...dword(0), ...dword(first), ...dword(last), ...dword(0), ...dword(last - first + 1),
];

/** Where the first number of `interrupts` stands in a resource buffer of nothing else. */
export const INTERRUPT_NUMBER_OFFSET = 5;
const CONSUMER_LEVEL_HIGH_SHARED = 0x09;
export const interrupts = (...numbers: readonly number[]): Aml => [
  0x89, ...word(2 + 4 * numbers.length), CONSUMER_LEVEL_HIGH_SHARED, numbers.length, ...numbers.flatMap(dword),
];
