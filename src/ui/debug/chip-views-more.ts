// Views of the chips that move data: disks, DMA, floppy, display, network, and the functions of the PCI bus.

import { bitNumbers, bits, type ChipRow, type ChipSection, type ChipView, hex, plainSections, type Registers, yes } from "./chip-values.ts";

const ATA_STATUS = ["ERR", "", "", "DRQ", "DSC", "DF", "DRDY", "BSY"];

/** ATA/ATAPI-6, "Interface register definitions". */
function ide(r: Registers): ChipSection[] {
  return [
    { rows: [["selected", r.selected === 0 ? "device 0" : "device 1"], ["control", hex(r.control), r.control & 2 ? "interrupts off" : "interrupts on"]] },
    ...(r.drives as Registers[]).flatMap((drive, n): ChipSection[] => {
      if (!drive.registers) return [{ title: `Device ${n}`, rows: [["", "none"]] }];
      const own = drive.registers as Uint8Array, inner = drive.drive;
      return [{
        title: `Device ${n}, ${inner.packet ? "ATAPI" : "ATA"}`,
        rows: [
          ["status", hex(drive.status), bits(drive.status, ATA_STATUS)], ["error", hex(drive.error)], ["command", hex(inner.command), inner.stage],
          ["count, LBA", `${hex(own[2]!)}, ${hex(own[5]!)} ${hex(own[4]!)} ${hex(own[3]!)}`], ["device", hex(own[6]!), own[6]! & 0x40 ? "LBA" : "CHS"],
          ["transfer", drive.direction === "none" ? "none" : `${drive.direction}, ${drive.position} of ${drive.limit} bytes`, drive.dma ? "DMA" : ""], ["interrupt", yes(drive.interruptPending)],
          ...(inner.packet ? [["sense", `${hex(inner.senseKey)} ${hex(inner.senseCode)} ${hex(inner.senseQualifier)}`] as const] : [["sector", String(inner.lba), `${inner.remaining} to come`] as const]),
        ],
      }];
    }),
  ];
}

function busMaster(r: Registers): ChipSection[] {
  return (r.engines as Registers[]).map((engine, n): ChipSection => ({
    title: `Channel ${n}`,
    rows: [["command", hex(engine.command), engine.command & 1 ? `runs, ${engine.command & 8 ? "to memory" : "from memory"}` : "stands"], ["status", hex(engine.status), bits(engine.status, ["active", "error", "interrupt"])], ["table", hex(engine.table, 8)], ["address", hex(engine.address, 8), `${engine.left} bytes left`]],
  }));
}

const DMA_MODES = ["demand", "single", "block", "cascade"];
const DMA_PAGES = [7, 3, 1, 2, 15, 11, 9, 10];

/** Intel 8237A datasheet, "Register Description". */
function dma(r: Registers): ChipSection[] {
  return (["low", "high"] as const).map((half, index): ChipSection => {
    const own = r[half], first = index * 4;
    return {
      title: index === 0 ? "Channels 0 to 3, bytes" : "Channels 4 to 7, words",
      rows: [
        ["command", hex(own.command), own.command & 4 ? "off" : "on"], ["masked", bitNumbers(own.mask, 4, first)], ["requests", bitNumbers(own.dreq | own.softwareRequests, 4, first)], ["ended", bitNumbers(own.terminalCounts, 4, first)],
        ...(own.channels as Registers[]).map((channel, n): ChipRow => [
          `channel ${n + first}`, `${hex((r.pages as Uint8Array)[DMA_PAGES[n + first]!]!)}:${hex(channel.address, 4)}, ${hex(channel.count, 4)}`,
          `${DMA_MODES[channel.mode >> 6]}, ${["verify", "to memory", "from memory", ""][(channel.mode >> 2) & 3]}${channel.mode & 0x10 ? ", reloads" : ""}`,
        ]),
      ],
    };
  });
}

/** Intel 82077AA datasheet, "Registers", "Controller Phases". */
function fdc(r: Registers): ChipSection[] {
  return [
    {
      rows: [
        ["DOR", hex(r.dor), `drive ${r.dor & 3}, ${r.dor & 4 ? "" : "reset, "}${r.dor & 8 ? "interrupts and DMA, " : ""}motors: ${bitNumbers(r.dor >> 4, 4)}`], ["phase", ["reset", "command", "execution", "result"][r.phase] ?? String(r.phase)],
        ["command", hex(r.command), `parameters: ${(r.parameters as number[]).map((value) => hex(value)).join(" ") || "none"}`], ["results", (r.results as number[]).map((value) => hex(value)).join(" ") || "none"], ["interrupt", yes(r.int)], ["rate", `${["500", "300", "250", "1000"][r.dsr & 3]} kbit/s`],
        ["transfer", `C ${r.transfer.c} H ${r.transfer.h} R ${r.transfer.r}`, r.transfer.sectors ? `${r.transfer.sectors} sectors to come` : ""],
      ],
    },
    ...(r.drives as Registers[]).map((drive, n): ChipSection => ({ title: `Drive ${"AB"[n]}`, rows: [["head", `track ${drive.track}`], ["disk changed", yes(drive.changed)]] })),
  ];
}

const hexRow = (values: Uint8Array): string => [...values].map((value) => hex(value)).join(" ");

/** IBM VGA; Intel OpenSource HD Graphics PRM Vol. 3, "VGA Registers" for the names. */
function vga(r: Registers): ChipSection[] {
  const crtc = r.crtc as Uint8Array, graphics = r.graphics as Uint8Array, text = (graphics[6]! & 1) === 0;
  const lines = (crtc[0x12]! | ((crtc[7]! & 2) << 7) | ((crtc[7]! & 0x40) << 3)) + 1, width = (crtc[1]! + 1) * ((r.sequencer as Uint8Array)[1]! & 1 ? 8 : 9);
  return [
    {
      rows: [
        ["mode", text ? "text" : "graphics", `${width} x ${lines}${text ? `, ${crtc[1]! + 1} columns, characters of ${(crtc[9]! & 31) + 1} lines` : ""}`], ["memory", ["A0000-BFFFF", "A0000-AFFFF", "B0000-B7FFF", "B8000-BFFFF"][(graphics[6]! >> 2) & 3]!],
        ["start", hex((crtc[0xc]! << 8) | crtc[0xd]!, 4)], ["cursor", hex((crtc[0xe]! << 8) | crtc[0xf]!, 4), crtc[0xa]! & 0x20 ? "hidden" : `lines ${crtc[0xa]! & 31} to ${crtc[0xb]! & 31}`],
        ["misc output", hex(r.miscOutput), r.miscOutput & 1 ? "colour ports" : "monochrome ports"], ["enabled", yes(r.enabled)], ["DAC mask", hex(r.dac.mask), `index ${hex(r.dac.index)}`],
      ],
    },
    { title: "Registers", rows: [["sequencer", hexRow(r.sequencer)], ["graphics", hexRow(graphics)], ["CRTC", hexRow(crtc)], ["attribute", hexRow(r.attribute)]] },
    { title: "Memory, plane by plane", rows: [["first bytes", hexRow((r.planes as Uint8Array).subarray(0, 32))]] },
  ];
}

const VBE_NAMES = ["ID", "X resolution", "Y resolution", "bits a pixel", "enable", "bank", "virtual width", "virtual height", "X offset", "Y offset", "memory in 64 KB"];

function vbe(r: Registers): ChipSection[] {
  return [{ rows: (r.registers as number[]).map((value, n): ChipRow => [VBE_NAMES[n] ?? hex(n), hex(value, 4), n > 0 && n !== 4 ? String(value) : n === 4 ? (value & 1 ? `on${value & 0x40 ? ", linear" : ""}` : "off") : ""]) }];
}

const PCI_CLASSES: Readonly<Record<number, string>> = { 0x0101: "IDE controller", 0x0200: "Ethernet controller", 0x0300: "VGA display", 0x0600: "host bridge", 0x0601: "ISA bridge", 0x0680: "bridge" };

/** PCI Local Bus Specification, "Configuration Space". */
function pciFunction(r: Registers): ChipSection[] {
  const config = r.config as Uint8Array;
  const word = (at: number): number => config[at]! | (config[at + 1]! << 8), dword = (at: number): number => (word(at) | (word(at + 2) << 16)) >>> 0;
  return [
    {
      rows: [
        ["vendor, device", `${hex(word(0), 4)}:${hex(word(2), 4)}`], ["class", hex((config[0x0b]! << 8) | config[0x0a]!, 4), PCI_CLASSES[(config[0x0b]! << 8) | config[0x0a]!] ?? ""],
        ["command", hex(word(4), 4), bits(word(4), ["I/O", "memory", "bus master"])], ["status", hex(word(6), 4)],
        ...[0, 1, 2, 3, 4, 5].flatMap((n): ChipRow[] => {
          const bar = dword(0x10 + n * 4);
          return bar === 0 ? [] : [[`BAR ${n}`, hex(bar, 8), bar & 1 ? `ports ${hex(bar & ~3, 4)}` : `memory ${hex(bar & ~15, 8)}`]];
        }),
        ["interrupt", config[0x3d] ? `pin ${"ABCD"[config[0x3d]! - 1]}` : "none", config[0x3d] ? `line ${config[0x3c]}` : ""],
      ],
    },
    { title: "Configuration space", rows: Array.from({ length: 16 }, (_, row): ChipRow => [hex(row * 16), hexRow(config.subarray(row * 16, row * 16 + 16))]) },
  ];
}

function nic(r: Registers): ChipSection[] {
  return [{
    rows: [
      ["command", hex(r.command), bits(r.command, ["stop", "start", "transmit"])], ["address", [...(r.address as Uint8Array)].map((byte) => hex(byte)).join(":")], ["receive ring", `${hex(r.pageStart)}-${hex(r.pageStop)}`, `current ${hex(r.current)}, boundary ${hex(r.boundary)}`],
      ["ISR", hex(r.interruptStatus), bits(r.interruptStatus, ["received", "transmitted", "receive error", "transmit error", "overrun", "counter", "remote DMA", "reset"])], ["IMR", hex(r.interruptMask)],
      ["transmit", `page ${hex(r.transmitPage)}, ${r.transmitBytes} bytes`], ["remote DMA", `${hex(r.remoteAddress, 4)}, ${r.remoteBytes} bytes`], ["missed", String(r.missed)],
    ],
  }];
}

export const MORE_CHIP_VIEWS: Readonly<Record<string, ChipView>> = {
  ide0: { title: "IDE, first channel", purpose: "hard disks", sections: ide },
  ide1: { title: "IDE, second channel", purpose: "CD-ROM", sections: ide },
  "ide-bus-master": { title: "IDE bus master", purpose: "DMA of the IDE channels", sections: busMaster },
  "8237A": { title: "8237A DMA controllers", purpose: "floppy and ISA transfers", sections: dma },
  "82077AA": { title: "82077AA floppy controller", purpose: "drives A and B", sections: fdc },
  vga: { title: "VGA", purpose: "display: text and planar graphics", sections: vga },
  vbe: { title: "VBE extension", purpose: "display: linear modes", sections: vbe },
  pci: { title: "PCI configuration", purpose: "ports CF8h and CFCh", sections: (r) => [{ rows: [["address", hex(r.address, 8), r.address >>> 31 ? `bus ${(r.address >>> 16) & 0xff}, device ${(r.address >>> 11) & 31}, function ${(r.address >>> 8) & 7}, register ${hex(r.address & 0xfc)}` : "off"]] }] },
  i440fx: { title: "i440FX host bridge", purpose: "PCI 0:0.0", sections: pciFunction },
  piix3: { title: "PIIX3 ISA bridge", purpose: "PCI 0:1.0", sections: (r) => [...pciFunction(r), ...plainSections({ asserted: r.asserted, resetRegister: r.resetRegister })] },
  "piix3-ide": { title: "PIIX3 IDE function", purpose: "PCI 0:1.1", sections: pciFunction },
  "piix4-pm": { title: "PIIX4 power management", purpose: "PCI 0:1.3", sections: pciFunction },
  "pci-vga": { title: "Display adapter", purpose: "PCI 0:2.0", sections: pciFunction },
  "pci-ne2000": { title: "Network adapter, PCI", purpose: "PCI 0:3.0", sections: pciFunction },
  ne2000: { title: "NE2000 network adapter", purpose: "DP8390 and its memory", sections: nic },
  "PIIX4-PM": {
    title: "ACPI power management", purpose: "PM1 registers, timer", sections: (r) => [{
      rows: [["status", hex(r.status, 4), bits(r.status, ["timer", "", "", "", "bus master", "global", "", "", "power button"])], ["enable", hex(r.enable, 4), bits(r.enable, ["timer", "", "", "", "", "global", "", "", "power button"])], ["control", hex(r.control, 4), r.control & 1 ? "ACPI on" : "ACPI off"], ["APM", `${hex(r.apmControl)} ${hex(r.apmStatus)}`]],
    }],
  },
};
