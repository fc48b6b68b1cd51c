// The Differentiated System Description Table: the devices of the board that cannot be found otherwise, how PCI interrupts are
// routed, and soft off. ACPI Specification, "Device Identification" and "Power Resources and System States".

import {
  type Aml, and, ARG0, busNumbers, byteFields, device, dma, dwordField, eisaId, fixedMemory, give, integer, INTERRUPT_NUMBER_OFFSET, interrupts, irq, memoryRange,
  method, name, operationRegion, or, packageOf, path, PCI_CONFIG_SPACE, portRange, ports, resources, scope, store, when,
} from "./aml.ts";
import { PCI_PINS, type Board, HPET_ADDRESS, HPET_WINDOW, PCI_LINES, PCI_MEMORY_FIRST, PCI_MEMORY_LAST, PCI_SLOTS } from "./board.ts";

/** Configuration registers PIRQRC[A:D] of the PIIX3, in slot 1; bit 7 disconnects. */
const PIIX3_ADDRESS = 0x0001_0000, PIRQ_ROUTE = 0x60, DISCONNECTED = 0x80;
/** _STA: present, decoding, shown, working; without "decoding" where the link is off. */
const STATUS_ON = 0x0b, STATUS_OFF = 0x09, STATUS_ALL = 0x0f;

const LINKS = ["LNKA", "LNKB", "LNKC", "LNKD"] as const;
const REGISTERS = ["PRQA", "PRQB", "PRQC", "PRQD"] as const;

/** An interrupt line of the PCI bus, and the ISA interrupt that the PIIX3 makes of it. */
function link(index: number): Aml {
  const register = path(`\\_SB.PCI0.ISA_.${REGISTERS[index]!}`);
  const number = path("PRRI");
  return device(
    LINKS[index]!,
    name("_HID", eisaId("PNP0C0F")),
    name("_UID", integer(index + 1)),
    name("_PRS", resources(interrupts(...PCI_LINES))),
    name("PRRB", resources(interrupts(0))),
    dwordField(path("PRRB"), INTERRUPT_NUMBER_OFFSET, "PRRI"),
    method("_STA", 0, when(and(register, integer(DISCONNECTED)), give(integer(STATUS_OFF))), give(integer(STATUS_ON))),
    method("_DIS", 0, or(register, integer(DISCONNECTED), register)),
    method("_CRS", 0, store(and(register, integer(0x0f)), number), give(path("PRRB"))),
    method("_SRS", 1, dwordField(ARG0, INTERRUPT_NUMBER_OFFSET, "PRRS"), store(path("PRRS"), register)),
  );
}

/** Pin A of slot 1 is line A; each slot and each pin goes on by one. */
function routing(): Aml {
  const entries: Aml[] = [];
  for (let slot = 1; slot < PCI_SLOTS; slot++) {
    for (let pin = 0; pin < PCI_PINS; pin++) {
      entries.push(packageOf(integer(slot * 0x1_0000 + 0xffff), integer(pin), path(LINKS[(slot - 1 + pin) % PCI_PINS]!), integer(0)));
    }
  }
  return name("_PRT", packageOf(...entries));
}

const isaDevice = (at: string, id: string, ...descriptors: readonly Aml[]): Aml =>
  device(at, name("_HID", eisaId(id)), ...(descriptors.length > 0 ? [name("_CRS", resources(...descriptors))] : []));

const serialPort = (unit: number, base: number, interrupt: number): Aml =>
  device(
    `COM${unit}`,
    name("_HID", eisaId("PNP0501")),
    name("_UID", integer(unit)),
    name("_STA", integer(STATUS_ALL)),
    name("_CRS", resources(ports(base, 8), irq(interrupt))),
  );

function isaBridge(): Aml {
  return device(
    "ISA_",
    name("_ADR", integer(PIIX3_ADDRESS)),
    operationRegion("PIRQ", PCI_CONFIG_SPACE, PIRQ_ROUTE, PCI_PINS),
    byteFields("PIRQ", ...REGISTERS),
    isaDevice("PIC_", "PNP0000", ports(0x20, 2), ports(0xa0, 2), ports(0x4d0, 2), irq(2)),
    isaDevice("DMAC", "PNP0200", ports(0x00, 16), ports(0x80, 16), ports(0xc0, 32), dma(4)),
    isaDevice("TIMR", "PNP0100", ports(0x40, 4), irq(0)),
    isaDevice("RTC_", "PNP0B00", ports(0x70, 2), irq(8)),
    isaDevice("SPKR", "PNP0800", ports(0x61, 1)),
    isaDevice("FPU_", "PNP0C04", ports(0xf0, 16), irq(13)),
    isaDevice("KBD_", "PNP0303", ports(0x60, 1), ports(0x64, 1), irq(1)),
    isaDevice("MOU_", "PNP0F13", irq(12)),
    isaDevice("FDC0", "PNP0700", ports(0x3f2, 4), ports(0x3f7, 1), irq(6), dma(2)),
    serialPort(1, 0x3f8, 4),
    serialPort(2, 0x2f8, 3),
  );
}

/** The body of the table, without its header. */
export function dsdtBody(board: Board): Aml {
  return [
    // SLP_TYP of the working state and of soft off, for both PM1 control blocks.
    ...name("\\_S0", packageOf(integer(5), integer(5), integer(0), integer(0))),
    ...name("\\_S5", packageOf(integer(0), integer(0), integer(0), integer(0))),
    ...scope(
      "\\_SB",
      device(
        "PCI0",
        name("_HID", eisaId("PNP0A03")),
        name("_ADR", integer(0)),
        name("_UID", integer(0)),
        name("_CRS", resources(
          busNumbers(0, 0xff),
          ports(0xcf8, 8),
          portRange(0x0000, 0x0cf7),
          portRange(0x0d00, 0xffff),
          memoryRange(0xa_0000, 0xb_ffff, true),
          memoryRange(PCI_MEMORY_FIRST, PCI_MEMORY_LAST, false),
        )),
        routing(),
        isaBridge(),
      ),
      ...LINKS.map((_, index) => link(index)),
      ...(board.apic
        ? [device("HPET", name("_HID", eisaId("PNP0103")), name("_CRS", resources(fixedMemory(HPET_ADDRESS, HPET_WINDOW))))]
        : []),
    ),
  ];
}
