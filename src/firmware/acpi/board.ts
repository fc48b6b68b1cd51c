// What the tables say about the board: addresses and interrupts, agreed with machine/pc.ts and guests/firmware.

export interface Board {
  /** A local APIC, an I/O APIC and an HPET: a processor from the Pentium III on. */
  readonly apic: boolean;
}

export const LOCAL_APIC_ADDRESS = 0xfee0_0000;
export const IO_APIC_ADDRESS = 0xfec0_0000;
export const IO_APIC_ID = 1;
export const HPET_ADDRESS = 0xfed0_0000;
export const HPET_WINDOW = 0x400;

/** Ports of the PIIX4's power management, as firmware places them. */
export const PM_BASE = 0x600;
export const SMI_COMMAND = 0xb2;
export const SCI = 9;

/** ISA interrupts that PCI lines may become. All are level-triggered and active high where they reach the I/O APIC. */
export const PCI_LINES: readonly number[] = [5, 10, 11];
/** As the PIIX3 is set up: lines A and B, C and D share. */
export const PCI_LINE_ROUTES: readonly number[] = [10, 10, 11, 11];
export const PCI_SLOTS = 32;
export const PCI_PINS = 4;
/** What is left of the 32-bit space for PCI devices: above the most RAM there can be. */
export const PCI_MEMORY_FIRST = 0xe000_0000;
export const PCI_MEMORY_LAST = 0xfebf_ffff;
