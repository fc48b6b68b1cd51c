// The tables of the MultiProcessor Specification, by which systems without ACPI find the I/O APIC and what is wired to it.
// Intel MultiProcessor Specification 1.4, "MP Configuration Table".

import { IO_APIC_ADDRESS, IO_APIC_ID, LOCAL_APIC_ADDRESS, PCI_LINE_ROUTES, PCI_PINS, PCI_SLOTS, SCI } from "./board.ts";
import { sum } from "./tables.ts";

const MP_POINTER_CHECKSUM_AT = 10, MP_TABLE_CHECKSUM_AT = 7;

const LOCAL_APIC_VERSION = 0x14, IO_APIC_VERSION = 0x11;
const CPU_ENABLED_BOOT = 0x03, IO_APIC_ENABLED = 0x01;
const PCI_BUS = 0, ISA_BUS = 1;
const INT = 0, NMI = 1, EXTINT = 3;
/** Polarity and trigger mode: as the bus has it; or active high and level, as the PIIX3 passes PCI lines on. */
const CONFORMS = 0, LEVEL_HIGH = 0x0d;
const ALL_LOCAL_APICS = 0xff;
const CASCADE = 2, TIMER_INPUT = 2;

const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const text = (value: string, length: number): number[] => Array.from({ length }, (_, i) => value.charCodeAt(i) || 0x20);

const ioInterrupt = (type: number, flags: number, bus: number, source: number, input: number): number[] => [
  3, type, ...u16(flags), bus, source, IO_APIC_ID, input,
];
const localInterrupt = (type: number, pin: number): number[] => [4, type, ...u16(CONFORMS), ISA_BUS, 0, ALL_LOCAL_APICS, pin];

/** `signature`: the processor's, as CPUID gives it. */
export function mpTable(signature: number, features: number): Uint8Array {
  const level: ReadonlySet<number> = new Set([...PCI_LINE_ROUTES, SCI]);
  const entries: number[][] = [
    [0, 0, LOCAL_APIC_VERSION, CPU_ENABLED_BOOT, ...u32(signature), ...u32(features), ...u32(0), ...u32(0)],
    [1, PCI_BUS, ...text("PCI", 6)],
    [1, ISA_BUS, ...text("ISA", 6)],
    [2, IO_APIC_ID, IO_APIC_VERSION, IO_APIC_ENABLED, ...u32(IO_APIC_ADDRESS)],
  ];
  for (let irq = 0; irq < 16; irq++) {
    if (irq === CASCADE) continue;
    entries.push(ioInterrupt(INT, level.has(irq) ? LEVEL_HIGH : CONFORMS, ISA_BUS, irq, irq === 0 ? TIMER_INPUT : irq));
  }
  for (let slot = 1; slot < PCI_SLOTS; slot++) {
    for (let pin = 0; pin < PCI_PINS; pin++) entries.push(ioInterrupt(INT, LEVEL_HIGH, PCI_BUS, (slot << 2) | pin, PCI_LINE_ROUTES[(slot - 1 + pin) % PCI_PINS]!));
  }
  entries.push(localInterrupt(EXTINT, 0), localInterrupt(NMI, 1));
  const body = entries.flat();
  const header = [
    ...text("PCMP", 4), ...u16(44 + body.length), 4, 0, ...text("TSCOPE", 8), ...text("TSCOPEPC", 12),
    ...u32(0), ...u16(0), ...u16(entries.length), ...u32(LOCAL_APIC_ADDRESS), ...u16(0), 0, 0,
  ];
  const bytes = Uint8Array.from([...header, ...body]);
  bytes[MP_TABLE_CHECKSUM_AT] = -sum(bytes);
  return bytes;
}

/** The structure that a search finds. */
export function mpPointer(tableAddress: number): Uint8Array {
  const bytes = Uint8Array.from([...text("_MP_", 4), ...u32(tableAddress), 1, 4, 0, 0, 0, 0, 0, 0]);
  bytes[MP_POINTER_CHECKSUM_AT] = -sum(bytes);
  return bytes;
}
