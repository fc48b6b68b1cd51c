// Images are made here, byte by byte, from the formats' own documents.

import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { ByteSource } from "../hardware/device.ts";
import { identifyImage } from "./identify.ts";
import { FLOPPY_FORMATS } from "./identify-disk.ts";
import { RawDisk } from "./raw.ts";
import { memorySource } from "./source.ts";

class Image {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(size: number, fill = 0) {
    this.bytes = new Uint8Array(size).fill(fill);
    this.view = new DataView(this.bytes.buffer);
  }
  text(offset: number, text: string): this {
    for (let i = 0; i < text.length; i++) this.bytes[offset + i] = text.charCodeAt(i);
    return this;
  }
  put(offset: number, ...bytes: number[]): this {
    this.bytes.set(bytes, offset);
    return this;
  }
  u16(offset: number, value: number): this {
    this.view.setUint16(offset, value, true);
    return this;
  }
  u32(offset: number, value: number): this {
    this.view.setUint32(offset, value, true);
    return this;
  }
  signed(): this {
    return this.u16(510, 0xaa55);
  }
  code(): this {
    return this.put(0, 0xfa, 0x31, 0xc0);
  }
  identify(name?: string) {
    return identifyImage(memorySource(this.bytes), name);
  }
}

/** A partition entry: status, type, first sector, count. */
function partition(image: Image, index: number, status: number, type: number, first: number, count: number): Image {
  const at = 446 + 16 * index;
  return image.put(at, status, 0, 0, 0, type).u32(at + 8, first).u32(at + 12, count);
}

function bpb(image: Image, totalSectors: number, media: number, sectorsPerTrack: number, heads: number): Image {
  return image.put(0, 0xeb, 0x3c, 0x90).u16(11, 512).u16(19, totalSectors).put(21, media).u16(24, sectorsPerTrack).u16(26, heads);
}

function iso(options: { bootRecord?: boolean; platform?: number; indicator?: number; media?: number; sectors?: number; size?: number } = {}): Image {
  const image = new Image(options.size ?? 40 * 2048);
  image.put(16 * 2048, 1).text(16 * 2048 + 1, "CD001").text(16 * 2048 + 40, "TEST_DISC".padEnd(32)).u32(16 * 2048 + 80, options.sectors ?? 40);
  if (options.bootRecord !== false) {
    image.put(17 * 2048, 0).text(17 * 2048 + 1, "CD001").text(17 * 2048 + 7, "EL TORITO SPECIFICATION").u32(17 * 2048 + 0x47, 20);
    image.put(20 * 2048, 1, options.platform ?? 0).put(20 * 2048 + 30, 0x55, 0xaa);
    image.put(20 * 2048 + 32, options.indicator ?? 0x88, options.media ?? 0).u16(20 * 2048 + 38, 4).u32(20 * 2048 + 40, 22);
  }
  return image;
}

function bzImage(options: { xloadflags?: number; protocol?: number; version?: string; paragraphs?: number } = {}): Image {
  const image = new Image(16 * 1024);
  image.put(0x1f1, 1).signed().text(0x202, "HdrS").u16(0x206, options.protocol ?? 0x20f).u16(0x20e, 0x100).put(0x211, 1);
  image.u32(0x1f4, options.paragraphs ?? (16 * 1024 - 1024) / 16).u16(0x236, options.xloadflags ?? 0);
  return image.text(0x300, options.version ?? "6.1.0-686 (someone@host) #1 SMP");
}

function elf(options: { bits?: 1 | 2; machine?: number; multiboot?: number; segmentEnd?: number } = {}): Image {
  const image = new Image(12 * 1024);
  image.put(0, 0x7f).text(1, "ELF").put(4, options.bits ?? 1, 1, 1).u16(16, 2).u16(18, options.machine ?? 3).u32(24, 0x100000).u32(28, 52).u16(42, 32).u16(44, 1);
  image.u32(52, 1).u32(56, 0x1000).u32(68, (options.segmentEnd ?? 0x3000) - 0x1000);
  const magic = options.multiboot ?? 0x1badb002;
  if (magic === 0x1badb002) image.u32(0x1004, magic).u32(0x1008, 3).u32(0x100c, -(magic + 3) >>> 0);
  else if (magic !== 0) image.u32(0x1008, magic).u32(0x100c, 0).u32(0x1010, 16).u32(0x1014, -(magic + 16) >>> 0);
  return image;
}

describe("boot sectors and floppies", () => {
  it("takes a small signed file as a boot sector on an empty 1.44 MB floppy", () => {
    const image = new Image(1536).code().signed();
    const found = image.identify("popf.img");
    expect(found).toMatchObject({ kind: "boot-sector", bootable: true, suggestedDrive: "fda", detectedBy: "55AAh at byte 510" });
    expect(found.details).toMatchObject({ sizeBytes: 1536, sectorCount: 2880, geometry: { cylinders: 80, heads: 2, sectorsPerTrack: 18 } });
    const disk = new RawDisk(memorySource(image.bytes), { sectorCount: found.details.sectorCount! });
    const sector = new Uint8Array(512).fill(1);
    disk.read(2879, sector);
    expect([disk.sectorCount, sector.some((byte) => byte !== 0)]).toEqual([2880, false]);
  });

  it("believes the signature, not a parameter block, in a boot sector that stands for a floppy", () => {
    expect(bpb(new Image(512), 2880, 0xf0, 18, 2).signed().identify().bootable).toBe(true);
  });

  it.each(FLOPPY_FORMATS.map((format) => [format.name, format] as const))("knows a %s floppy by its size", (_, format) => {
    const found = new Image(format.bytes).code().signed().identify();
    expect(found).toMatchObject({ kind: "floppy", bootable: true, suggestedDrive: "fda" });
    expect(found.details.geometry).toEqual(format.geometry);
    expect(found.details.sectorCount).toBe(format.bytes / 512);
  });

  it("has the sizes of the table", () => {
    expect(FLOPPY_FORMATS.map((format) => format.bytes / 1024)).toEqual([160, 180, 320, 360, 720, 1200, 1440, 1680, 1722, 2880]);
  });

  it("takes odd sizes by their parameter block, and names truncated ones", () => {
    const whole = bpb(new Image(100 * 1024), 200, 0xf8 + 1, 10, 2).signed().identify();
    expect(whole).toMatchObject({ kind: "floppy", bootable: true });
    expect(whole.details.geometry).toEqual({ cylinders: 10, heads: 2, sectorsPerTrack: 10 });
    const cut = bpb(new Image(700 * 1024), 2880, 0xf0, 18, 2).signed().identify();
    expect(cut).toMatchObject({ kind: "floppy", bootable: false, refusal: { force: true } });
    expect(cut.refusal?.reason).toContain("2880 sectors and has 1400");
    expect(cut.details.sectorCount).toBe(2880);
  });

  it("lays an unpadded boot image on the floppy that holds it", () => {
    expect(new Image(100 * 1024).code().signed().identify().details.sectorCount).toBe(2880);
    expect(new Image(2000 * 1024).code().signed().identify().details.sectorCount).toBe(5760);
  });
});

describe("hard disks", () => {
  const disk = (megabytes = 8): Image => new Image(megabytes << 20).code().signed();

  it("lists the partitions", () => {
    const image = partition(partition(disk(), 0, 0x80, 0x06, 63, 8000), 1, 0, 0x83, 8063, 8000);
    const found = image.identify("disk.img");
    expect(found).toMatchObject({ kind: "hard-disk", bootable: true, suggestedDrive: "hda" });
    expect(found.details.partitions).toEqual([
      { number: 1, active: true, type: 6, typeName: "FAT16", firstSector: 63, sectorCount: 8000 },
      { number: 2, active: false, type: 0x83, typeName: "Linux", firstSector: 8063, sectorCount: 8000 },
    ]);
    expect(found.description).toBe("hard disk image (8 MB, 1: FAT16, active; 2: Linux)");
  });

  it("finds the translation in which the partition table agrees with itself", () => {
    const image = partition(disk(), 0, 0x80, 0x06, 63, 16 * 63 * 5 - 63);
    image.put(446 + 5, 15, 63, 4); // ends at cylinder 4, head 15, sector 63
    expect(image.identify().details.geometry).toEqual({ cylinders: 16, heads: 16, sectorsPerTrack: 63 });
  });

  it("boots a signed disk without partitions, and one FAT volume", () => {
    expect(disk().identify()).toMatchObject({ kind: "hard-disk", bootable: true });
    expect(bpb(disk(), 16384, 0xf8, 63, 16).identify()).toMatchObject({ kind: "hard-disk", bootable: true });
  });

  it("names a truncated disk, which may be forced", () => {
    const found = partition(disk(), 0, 0x80, 0x83, 2048, 100_000).identify();
    expect(found).toMatchObject({ bootable: false, refusal: { force: true } });
    expect(found.refusal?.reason).toContain("102048 sectors and has 16384");
    expect(found.details.sectorCount).toBe(102_048);
    const odd = new Image((8 << 20) + 100).code().signed().identify();
    expect(odd.refusal?.reason).toContain("8388708 bytes");
  });

  it("refuses a signed disk without code, and a GPT disk that only UEFI boots", () => {
    const data = partition(new Image(8 << 20).signed(), 0, 0, 0x83, 63, 1000).identify();
    expect(data.refusal?.reason).toMatch(/no code/);
    const gpt = (image: Image): Image => partition(image, 0, 0, 0xee, 1, 0xffffffff).text(512, "EFI PART");
    const uefi = gpt(new Image(8 << 20).signed()).identify();
    expect(uefi).toMatchObject({ bootable: false, refusal: { force: false } });
    expect(uefi.refusal?.reason).toMatch(/UEFI/);
    expect(gpt(disk()).identify()).toMatchObject({ bootable: true, details: { gpt: true } });
  });

  it("without a signature may be forced", () => {
    const found = new Image(8 << 20, 0xcc).identify();
    expect(found).toMatchObject({ kind: "hard-disk", bootable: false, suggestedDrive: "hda", refusal: { force: true } });
    expect(found.refusal?.reason).toContain("55 AA");
  });
});

describe("CDs", () => {
  it("reads the El Torito entry", () => {
    const found = iso().identify("x.iso");
    expect(found).toMatchObject({ kind: "cd", bootable: true, suggestedDrive: "cdrom", detectedBy: "`CD001` at byte 32769" });
    expect(found.details.elTorito).toEqual({ bootable: true, emulation: "none", loadSegment: 0x7c0, sectorCount: 4, lba: 22 });
    expect(found.details).toMatchObject({ volumeLabel: "TEST_DISC", sectorSize: 2048, sectorCount: 40 });
    expect(iso({ media: 2 }).identify().description).toContain("floppy 1.44 MB emulation");
  });

  it("is a CD even with a hybrid boot sector", () => {
    expect(partition(iso().code().signed(), 0, 0x80, 0x17, 0, 160).identify().kind).toBe("cd");
  });

  it("refuses what cannot boot, each for its reason", () => {
    expect(iso({ bootRecord: false }).identify().refusal?.reason).toMatch(/no El Torito/);
    expect(iso({ platform: 0xef }).identify().refusal?.reason).toMatch(/UEFI/);
    expect(iso({ indicator: 0 }).identify().refusal?.reason).toMatch(/not bootable/);
    expect(iso({ sectors: 4000 }).identify().refusal).toMatchObject({ force: true, reason: expect.stringMatching(/truncated/) });
    expect(iso({ sectors: 180 }).identify().bootable).toBe(true); // only padding is missing
  });

  it("survives a boot catalog outside of the file", () => {
    const image = iso();
    image.u32(17 * 2048 + 0x47, 0xfffffff0);
    expect(image.identify().refusal?.reason).toMatch(/no El Torito/);
  });
});

describe("kernels", () => {
  it("reads the Linux header", () => {
    const found = bzImage().identify();
    expect(found).toMatchObject({ kind: "linux-kernel", bootable: true, suggestedDrive: "kernel" });
    expect(found.description).toBe("Linux kernel 6.1.0-686 (bzImage, boot protocol 2.15)");
    expect(bzImage({ version: "Memtest86+ v6.10" }).identify().description).toMatch(/^Memtest86\+ v6.10/);
  });

  it("refuses 64-bit and truncated ones", () => {
    for (const image of [bzImage({ xloadflags: 1 }), bzImage({ protocol: 0x209, version: "3.2.0-4-amd64 (x@y)" })]) {
      expect(image.identify()).toMatchObject({ bootable: false, refusal: { force: false, reason: expect.stringMatching(/64-bit/) } });
    }
    expect(bzImage({ paragraphs: 5000 }).identify().refusal?.reason).toMatch(/truncated.*81024/);
    expect(bzImage({ paragraphs: (16 * 1024 - 1024) / 16 + 1 }).identify().bootable).toBe(false);
  });

  it("finds the Multiboot header of an ELF file", () => {
    expect(elf().identify()).toMatchObject({ kind: "multiboot", bootable: true, suggestedDrive: "multiboot", detectedBy: "1BADB002h at byte 4100", details: { entry: 0x100000 } });
  });

  it("refuses other ELF files, each for its reason", () => {
    const reasonOf = (image: Image): string | undefined => image.identify().refusal?.reason;
    expect(reasonOf(elf({ bits: 2 }))).toMatch(/64-bit/);
    expect(reasonOf(elf({ machine: 40 }))).toMatch(/another processor/);
    expect(reasonOf(elf({ multiboot: 0 }))).toMatch(/without a Multiboot header/);
    expect(reasonOf(elf({ multiboot: 0xe85250d6 }))).toMatch(/Multiboot 2/);
    expect(reasonOf(elf({ segmentEnd: 0x8000 }))).toMatch(/truncated.*32768/);
  });

  it("needs the checksum, and takes address fields in place of ELF", () => {
    const image = new Image(4096, 0x90);
    image.u32(64, 0x1badb002).u32(68, 0x10000).u32(72, 0).u32(92, 0x100040);
    expect(image.identify().kind).not.toBe("multiboot");
    image.u32(72, -(0x1badb002 + 0x10000) >>> 0);
    expect(image.identify()).toMatchObject({ kind: "multiboot", details: { entry: 0x100040 } });
  });
});

describe("initial RAM disks and compressed files", () => {
  const cpio = new Image(2048).text(0, "070701").bytes;

  it("knows cpio archives, also inside gzip, and other streams by name", () => {
    expect(identifyImage(memorySource(cpio))).toMatchObject({ kind: "initrd", suggestedDrive: "initrd", bootable: false });
    const packed = new Uint8Array(gzipSync(cpio));
    expect(identifyImage(memorySource(packed), "x")).toMatchObject({ kind: "initrd", details: { compression: "gzip" } });
    const named = new Image(1024).put(0, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0);
    expect(named.identify("initramfs.img").kind).toBe("initrd");
    expect(named.identify("disk.img.xz")).toMatchObject({ kind: "unknown", refusal: { whatToDo: expect.stringContaining("unxz disk.img.xz") } });
  });

  it("skips the optional fields of a gzip header", () => {
    const plain = new Uint8Array(gzipSync(cpio));
    const named = new Uint8Array([...plain.subarray(0, 3), 8 | 4, ...plain.subarray(4, 10), 2, 0, 1, 2, ...[..."initrd"].map((c) => c.charCodeAt(0)), 0, ...plain.subarray(10)]);
    expect(identifyImage(memorySource(named), "x").kind).toBe("initrd");
  });

  it("tells a compressed disk image from one, and a damaged stream", () => {
    const packed = new Uint8Array(gzipSync(new Image(4096, 1).signed().bytes));
    expect(identifyImage(memorySource(packed), "disk.img.gz")).toMatchObject({ kind: "unknown", refusal: { whatToDo: expect.stringContaining("gunzip disk.img.gz") } });
    expect(new Image(600, 0xff).put(0, 0x1f, 0x8b, 8, 0).identify().kind).toBe("unknown");
  });
});

describe("what is refused by name", () => {
  it.each([
    ["vhdx", new Image(1 << 16).text(0, "vhdxfile")],
  ])("%s, with the command that converts it", (format, image) => {
    const found = image.identify("in.bin");
    expect(found.refusal?.whatToDo).toBe(`Convert it: qemu-img convert -f ${format} -O raw in.bin disk.img`);
    expect(found.bootable).toBe(false);
  });

  it("archives, texts, programs, ROMs, file systems", () => {
    const about = (image: Image, name?: string): string => image.identify(name).description;
    expect(about(new Image(1000).put(0, 0x50, 0x4b, 3, 4))).toContain("ZIP");
    expect(about(new Image(2048).text(257, "ustar"))).toContain("tar");
    expect(about(new Image(3000, 0x20).text(0, "Hello, world\n"))).toBe("text file");
    expect(about(new Image(512, 0x41))).toBe("text file");
    expect(about(new Image(4096).text(0, "MZ"))).toContain("program");
    expect(about(new Image(32 * 1024, 0xff).put(0, 0x55, 0xaa, 64))).toContain("ROM extension");
    expect(about(new Image(128 * 1024, 0xff).put(128 * 1024 - 16, 0xea))).toContain("BIOS ROM");
    expect(about(new Image(4 << 20).u16(1080, 0xef53))).toContain("ext2/3/4");
  });
});

describe("bad input", () => {
  it.each([
    ["empty", new Image(0), /empty/, false],
    ["too short", new Image(100, 0xcc), /100 bytes: too short/, true],
    ["not whole sectors", new Image(70_000, 0xcc), /not a whole number/, true],
    ["a boot sector without its signature", new Image(512, 0xcc), /55 AA/, true],
    ["a blank floppy", new Image(1_474_560), /blank/, true],
  ])("%s has its own reason", (_, image, reason, force) => {
    const found = image.identify();
    expect(found.bootable).toBe(false);
    expect(found.refusal?.reason).toMatch(reason);
    expect(found.refusal?.force).toBe(force);
  });

  it("judges 3 GB of zeros by a few reads", () => {
    let bytes = 0;
    const zeros: ByteSource = {
      size: 3 * 2 ** 30,
      read(offset, into) {
        if (offset + into.length > this.size) throw new RangeError();
        bytes += into.length;
        into.fill(0);
      },
    };
    const found = identifyImage(zeros, "zeros.img");
    expect(found.refusal?.reason).toMatch(/blank/);
    expect(bytes).toBeLessThan(256 * 1024);
  });

  it("boots a 200 GB disk that is almost all hole", () => {
    const first = partition(new Image(512).code().signed(), 0, 0x80, 0x83, 63, 1 << 28).bytes;
    const sparse: ByteSource = {
      size: 200e9 - (200e9 % 512),
      read(offset, into) {
        into.fill(0);
        if (offset === 0) into.set(first);
      },
    };
    expect(identifyImage(sparse)).toMatchObject({ kind: "hard-disk", bootable: true });
  });

  it("never throws and never reads much, whatever the bytes", () => {
    let seed = 99;
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed >>> 8;
    };
    const starts = [elf(), bzImage(), iso(), new Image(40_000).put(0, 0x1f, 0x8b, 8), partition(new Image(1 << 17).code().signed(), 0, 0x80, 6, 1, 2)];
    for (let round = 0; round < 400; round++) {
      const bytes = starts[round % starts.length].bytes.slice(0, round % 7 === 0 ? random() % 40_000 : undefined);
      for (let i = 0; i < 40; i++) bytes[random() % Math.min(bytes.length || 1, 1024)] = random() & 0xff;
      let read = 0;
      const source: ByteSource = {
        size: bytes.length,
        read(offset, into) {
          if (offset < 0 || offset + into.length > bytes.length) throw new RangeError("outside");
          read += into.length;
          into.set(bytes.subarray(offset, offset + into.length));
        },
      };
      const found = identifyImage(source, "fuzz");
      expect(found.bootable).toBe(found.refusal === undefined);
      expect(read).toBeLessThan(512 * 1024);
    }
  });
});
