// One view per chip, by the names of its manual: PIC, APICs, timers, serial ports, keyboard controller. Disks, DMA, display and PCI: chip-views-more.ts.

import { bitNumbers, bits, type ChipRow, type ChipSection, type ChipView, hex, type Registers, yes } from "./chip-values.ts";
import { MORE_CHIP_VIEWS } from "./chip-views-more.ts";

/** Intel 8259A datasheet, "Initialization Command Words", "Operation Command Words". */
function pic(name: string, r: Registers, first: number): ChipSection {
  const requests = ((r.pins & (r.elcr | (r.icw1 & 8 ? 0xff : 0))) | r.edges) & 0xff;
  return {
    title: name,
    rows: [
      ["IRR", hex(requests), `requested: ${bitNumbers(requests, 8, first)}`], ["IMR", hex(r.imr), `masked: ${bitNumbers(r.imr, 8, first)}`],
      ["ISR", hex(r.isr), `in service: ${bitNumbers(r.isr, 8, first)}`], ["vectors", `${hex(r.vectorBase)}-${hex(r.vectorBase + 7)}`],
      ["INT", r.int ? "high" : "low", r.int ? "asks for an interrupt" : "asks for nothing"],
      ["mode", r.nextIcw === 0 ? "operating" : `waits for ICW${r.nextIcw}`, [r.icw4 & 2 ? "automatic EOI" : "EOI by command", r.icw4 & 0x10 ? "special fully nested" : "", r.specialMask ? "special mask" : ""].filter(Boolean).join(", ")],
      ["ELCR", hex(r.elcr), `level-triggered: ${bitNumbers(r.elcr, 8, first)}`], ["lowest", String(r.lowest + first), "the input with the lowest priority"],
    ],
  };
}

const PIT_MODES = ["interrupt on terminal count", "one-shot", "rate generator", "square wave", "software strobe", "hardware strobe", "rate generator", "square wave"];
const PIT_HZ = 1_193_182;
const PIT_USES = ["IRQ 0", "memory refresh", "loudspeaker"];

/** Intel 8254 datasheet, "Control Word Format", "Read-Back Command". */
function counter(r: Registers, n: number): ChipSection {
  const mode = (r.control >> 1) & 7, rate = mode === 2 || mode === 3 || mode === 6 || mode === 7;
  return {
    title: `Counter ${n}, ${PIT_USES[n]}`,
    rows: [
      ["mode", String(mode > 5 ? mode - 4 : mode), `${PIT_MODES[mode]}${r.control & 1 ? ", BCD" : ""}`],
      ["count", hex(r.cr & 0xffff, 4), !r.armed ? "no count was written since the control word" : rate ? `${(PIT_HZ / r.cr).toFixed(2)} Hz` : `${((r.cr / PIT_HZ) * 1e3).toFixed(3)} ms`],
      ["OUT", r.out ? "high" : "low"], ["GATE", r.gate ? "high" : "low"], ["status", r.nullCount ? "the count is not loaded yet" : r.counting ? "counts" : "stands"],
      ["latched", r.latchedCount < 0 ? "nothing" : hex(r.latchedCount, 4)],
    ],
  };
}

/** Motorola MC146818A datasheet, "Address Map", "Registers". */
function rtc(r: Registers): ChipSection[] {
  const ram = r.ram as Uint8Array, a = ram[10]!, b = ram[11]!;
  const two = (at: number): string => (b & 4 ? String(ram[at]!).padStart(2, "0") : hex(ram[at]!));
  const divided = a & 15 ? `${(32768 >> ((a & 15) - 1 + (a & 15 && (a & 15) < 3 ? 7 : 0))).toLocaleString("en-US")} Hz` : "off";
  return [
    {
      title: "Clock",
      rows: [
        ["date", `${two(50)}${two(9)}-${two(8)}-${two(7)}`, "century from byte 32h"], ["time", `${two(4)}:${two(2)}:${two(0)}`, b & 2 ? "24 hours" : "12 hours"],
        ["alarm", `${two(5)}:${two(3)}:${two(1)}`], ["format", b & 4 ? "binary" : "BCD"],
      ],
    },
    {
      title: "Registers",
      rows: [
        ["index", hex(r.index), "the byte that port 71h shows"], ["A", hex(a), `periodic rate: ${divided}`], ["B", hex(b), bits(b, ["daylight saving", "24 hours", "binary", "square wave", "update interrupt", "alarm interrupt", "periodic interrupt", "SET: stopped"])],
        ["C", hex(r.flags), `pending: ${bits(r.flags, ["", "", "", "", "update", "alarm", "periodic", "IRQ 8"])}`],
      ],
    },
    { title: "CMOS RAM", rows: Array.from({ length: 8 }, (_, row): ChipRow => [hex(row * 16), [...ram.subarray(row * 16, row * 16 + 16)].map((byte) => hex(byte)).join(" ")]) },
  ];
}

const UART_HZ = 115_200;

/** National Semiconductor PC16550D datasheet, "Registers". */
function uart(r: Registers): ChipSection[] {
  const stop = r.lcr & 4 ? (r.lcr & 3 ? 2 : 1.5) : 1, parity = r.lcr & 8 ? ["odd", "even", "mark", "space"][(r.lcr >> 4) & 3]! : "no";
  return [{
    rows: [
      ["line", r.divisor ? `${(UART_HZ / r.divisor).toLocaleString("en-US", { maximumFractionDigits: 1 })} baud` : "divisor 0", `${(r.lcr & 3) + 5} data bits, ${parity} parity, ${stop} stop`],
      ["divisor", hex(r.divisor, 4)], ["IER", hex(r.ier), `interrupts: ${bits(r.ier, ["received data", "transmitter empty", "line status", "modem status"])}`],
      ["LCR", hex(r.lcr), r.lcr & 0x80 ? "DLAB: ports 0 and 1 are the divisor" : ""], ["MCR", hex(r.mcr), bits(r.mcr, ["DTR", "RTS", "OUT1", "OUT2 (interrupts pass)", "loopback"])],
      ["MSR", hex(r.msr), bits(r.msr, ["CTS changed", "DSR changed", "RI ended", "DCD changed", "CTS", "DSR", "RI", "DCD"])], ["FCR", hex(r.fcr), r.fcr & 1 ? `FIFOs on, trigger at ${[1, 4, 8, 14][r.fcr >> 6]}` : "FIFOs off"],
      ["receiver", `${r.rx.length} bytes`, `${r.line.length} on the line${r.overrun ? ", overrun" : ""}`], ["transmitter", "empty", r.threPending ? "its interrupt is pending" : ""], ["scratch", hex(r.scratch)],
    ],
  }];
}

/** IBM PS/2 Hardware Interface Technical Reference, "Keyboard/Auxiliary Device Controller". */
function i8042(r: Registers): ChipSection[] {
  const command = (r.ram as Uint8Array)[0]!;
  return [{
    rows: [
      ["output", r.full ? hex(r.data) : "empty", r.full ? ["from the controller", "from the keyboard", "from the mouse"][r.source] : `last: ${hex(r.data)}`],
      ["command byte", hex(command), bits(command, ["keyboard interrupt", "mouse interrupt", "system flag", "", "keyboard off", "mouse off", "translation"])],
      ["output port", hex(r.outputPort), `A20 ${r.outputPort & 2 ? "open" : "closed"}, ${bits(r.outputPort & 0x30, ["", "", "", "", "IRQ 1", "IRQ 12"])}`], ["waits for", r.command ? `data of command ${hex(r.command)}` : "nothing"],
    ],
  }];
}

function keyboard(r: Registers): ChipSection[] {
  return [{
    rows: [
      ["scanning", yes(r.scanning)], ["scan codes", `set ${r.set}`], ["LEDs", hex(r.leds), bits(r.leds, ["Scroll Lock", "Num Lock", "Caps Lock"])],
      ["held", r.held.length === 0 ? "no key" : r.held.join(" ")], ["to send", `${r.replies.length + r.keys.length} bytes`], ["last byte", hex(r.lastSent)], ["typed for a person", `${r.script.length} keys to come`],
    ],
  }];
}

function mouse(r: Registers): ChipSection[] {
  return [{
    rows: [
      ["reports", r.enabled ? (r.remote ? "when asked" : "movements") : "nothing"], ["rate", `${r.sampleRate} a second`], ["resolution", `${1 << r.resolution} counts/mm`],
      ["movement", `${r.dx}, ${r.dy}, wheel ${r.dz}`], ["buttons", bits(r.buttons, ["left", "right", "middle"])], ["kind", r.identity === 0 ? "standard" : `wheel (${r.identity})`],
    ],
  }];
}

const LVT_NAMES = ["timer", "thermal", "performance", "LINT0", "LINT1", "error"];
const DELIVERIES = ["fixed", "lowest priority", "SMI", "reserved", "NMI", "INIT", "start-up", "ExtINT"];

/** The vectors that 256 bits name. */
function vectors(set: Uint8Array): string {
  const found = Array.from({ length: 256 }, (_, vector) => vector).filter((vector) => set[vector >> 3]! & (1 << (vector & 7)));
  return found.length === 0 ? "none" : found.map((vector) => hex(vector)).join(" ");
}

/** Intel SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)". */
function localApic(r: Registers): ChipSection[] {
  return [
    {
      rows: [
        ["base", hex(r.base, 8), r.base & 0x800 ? "on" : "off"], ["SVR", hex(r.svr, 4), `${r.svr & 0x100 ? "enabled" : "disabled by software"}, spurious vector ${hex(r.svr & 0xff)}`], ["TPR", hex(r.tpr)],
        ["IRR", vectors(r.irr), "requested"], ["ISR", vectors(r.isr), "in service"], ["TMR", vectors(r.tmr), "level-triggered"], ["LDR", hex(r.ldr, 8)], ["DFR", hex(r.dfr, 8)], ["ESR", hex(r.esr)],
        ["ICR", hex(r.icrHigh, 8) + hex(r.icrLow, 8)], ["timer", String(r.initialCount), `divided by ${[2, 4, 8, 16, 32, 64, 128, 1][(r.divide & 3) | ((r.divide >> 1) & 4)]}`],
      ],
    },
    {
      title: "Local vectors",
      rows: (r.lvt as number[]).map((entry, n): ChipRow => [LVT_NAMES[n]!, hex(entry, 5), `${entry & 0x1_0000 ? "masked" : "open"}, ${n === 0 ? (entry & 0x2_0000 ? "periodic" : "one-shot") : DELIVERIES[(entry >> 8) & 7]}, vector ${hex(entry & 0xff)}`]),
    },
  ];
}

/** Intel 82093AA datasheet, "I/O Redirection Table Registers". */
function ioApic(r: Registers): ChipSection[] {
  return [{ rows: [["ID", hex(r.id, 8)], ["index", hex(r.select)]] }, {
    title: "Redirection table",
    rows: (r.low as number[]).map((low, pin): ChipRow => [
      `pin ${pin}`, `${hex(r.high[pin], 8)} ${hex(low, 8)}`,
      `${low & 0x1_0000 ? "masked" : `vector ${hex(low & 0xff)}, ${DELIVERIES[(low >> 8) & 7]}, ${low & 0x8000 ? "level" : "edge"}${low & 0x4000 ? ", in service" : ""}`}${(r.pins >> pin) & 1 ? "; asserted" : ""}`,
    ]),
  }];
}

/** IA-PC HPET Specification, "Register Model". */
function hpet(r: Registers): ChipSection[] {
  return [
    { rows: [["configuration", hex(r.configuration), r.configuration & 1 ? `counts${r.configuration & 2 ? ", replaces PIT and RTC" : ""}` : "stands"], ["status", hex(r.status)], ["counter", hex(r.counter.high, 8) + hex(r.counter.low, 8)]] },
    ...(r.timers as Registers[]).map((timer, n): ChipSection => ({
      title: `Timer ${n}`,
      rows: [["configuration", hex(timer.configuration, 4), `${timer.configuration & 4 ? "interrupts" : "no interrupt"}, ${timer.configuration & 8 ? "periodic" : "one-shot"}`], ["comparator", hex(timer.comparator.high, 8) + hex(timer.comparator.low, 8)]],
    })),
  ];
}

function systemPorts(r: Registers): ChipSection[] {
  return [{
    rows: [
      ["port 61h", hex(r.port61), bits(r.port61, ["counter 2 gate", "loudspeaker on"])], ["port 92h", hex(r.port92), `A20 ${r.port92 & 2 ? "open" : "closed"}`], ["port 80h", hex(r.post), "last power-on code"],
    ],
  }];
}

export const CHIP_VIEWS: Readonly<Record<string, ChipView>> = {
  "8259A": { title: "8259A interrupt controllers", purpose: "IRQ 0 to 15", sections: (r) => [pic("Master", r.master, 0), pic("Slave", r.slave, 8)] },
  "local-apic": { title: "Local APIC", purpose: "interrupts of the processor, its timer", sections: localApic },
  "82093AA": { title: "82093AA I/O APIC", purpose: "24 interrupt inputs", sections: ioApic },
  hpet: { title: "HPET", purpose: "high precision event timers", sections: hpet },
  "8254": { title: "8254 timer", purpose: "three counters at 1.19 MHz", sections: (r) => (r.counters as Registers[]).map(counter) },
  MC146818A: { title: "MC146818A clock", purpose: "time of day, CMOS RAM", sections: rtc },
  uart0: { title: "16550A, COM1", purpose: "serial port at 3F8h", sections: uart },
  uart1: { title: "16550A, COM2", purpose: "serial port at 2F8h", sections: uart },
  "8042": { title: "8042 keyboard controller", purpose: "keyboard, mouse, A20", sections: i8042 },
  keyboard: { title: "PS/2 keyboard", purpose: "behind the 8042", sections: keyboard },
  mouse: { title: "PS/2 mouse", purpose: "behind the 8042", sections: mouse },
  "system-ports": { title: "System ports", purpose: "61h, 80h, 92h", sections: systemPorts },
  ...MORE_CHIP_VIEWS,
};
