import { describe, expect, it } from "vitest";
import { ImageError, UsageError } from "../../base/errors.ts";
import { type BootRequest, configureBoot, type NamedSource } from "./boot-request.ts";

const MB = 1 << 20;

function named(name: string, bytes: Uint8Array): NamedSource {
  return { name, source: { size: bytes.length, read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)) } };
}

/** `size` bytes with code and, if wanted, a boot signature. */
function disk(size: number, signature = true): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set([0xeb, 0xfe]);
  if (signature) bytes.set([0x55, 0xaa], 510);
  return bytes;
}

const floppy = named("floppy.img", disk(1_474_560));
const hardDisk = named("disk.img", disk(8 * MB));
const data = named("data.img", disk(8 * MB, false));
const text = named("notes.txt", new TextEncoder().encode("some notes\n".repeat(200)));

const configure = (request: Omit<BootRequest, "memoryBytes">) => configureBoot({ memoryBytes: 16 * MB, ...request });
const drives = (request: Omit<BootRequest, "memoryBytes">) => Object.keys(configure(request).machine.drives);

describe("an image by its content", () => {
  it("goes where it belongs", () => {
    expect(drives({ image: floppy })).toEqual(["fda"]);
    expect(drives({ image: hardDisk })).toEqual(["hda"]);
    expect(configure({ image: hardDisk }).bootsFrom).toBe(hardDisk);
  });

  it("stands beside other drives, and not on one that is taken", () => {
    expect(drives({ image: floppy, drives: { hda: data } })).toEqual(["fda", "hda"]);
    expect(() => configure({ image: floppy, drives: { fda: floppy } })).toThrow(UsageError);
  });

  it("is refused by name, and what to do is said", () => {
    expect(() => configure({ image: text })).toThrow(ImageError);
    expect(() => configure({ image: text })).toThrow("notes.txt: This is a text file.");
    expect(() => configure({ image: text, force: true })).toThrow("text file");
  });
});

describe("drives", () => {
  it("hold what has no signature beside one that boots", () => {
    expect(configure({ drives: { fda: floppy, hda: data } }).bootsFrom).toBe(floppy);
    expect(configure({ drives: { hda: hardDisk, hdb: data } }).bootsFrom).toBe(hardDisk);
  });

  it("are taken in the order of the firmware: the first that boots", () => {
    expect(configure({ drives: { fda: floppy, hda: hardDisk } }).bootsFrom).toBe(floppy);
    expect(configure({ drives: { fda: floppy, hda: hardDisk }, bootOrder: "c" }).bootsFrom).toBe(hardDisk);
    expect(configure({ drives: { fda: named("blank.img", disk(1_474_560, false)), hda: hardDisk } }).bootsFrom).toBe(hardDisk);
  });

  it("must hold one that boots", () => {
    expect(() => configure({ drives: { hda: data } })).toThrow("55 AA");
    expect(() => configure({ drives: { hdb: hardDisk } })).toThrow(UsageError);
    expect(() => configure({})).toThrow(UsageError);
    expect(() => configure({ drives: { hda: text } })).toThrow("text file");
  });

  it("show zeros behind the end of a boot sector's file", () => {
    const { fda } = configure({ image: named("boot.bin", disk(512)) }).machine.drives;
    const bytes = new Uint8Array(1024).fill(1);
    fda!.read(256, bytes);
    expect([fda!.size, bytes[254], bytes[255], bytes[256], bytes[1023]]).toEqual([1_474_560, 0x55, 0xaa, 0, 0]);
  });

  it("show the signature where a boot is forced, and nowhere else", () => {
    const { hda, hdb } = configure({ drives: { hda: data, hdb: data }, force: true }).machine.drives;
    const bytes = new Uint8Array(2);
    hda!.read(510, bytes);
    expect([...bytes]).toEqual([0x55, 0xaa]);
    hdb!.read(510, bytes);
    expect([...bytes]).toEqual([0, 0]);
  });
});

describe("direct boot", () => {
  const kernel = named("vmlinuz", disk(4096));

  it.each<[string, Omit<BootRequest, "memoryBytes">]>([
    ["--kernel and --multiboot", { kernel, multiboot: kernel }],
    ["--initrd", { initrd: kernel, drives: { hda: hardDisk } }],
    ["--module", { modules: [kernel], drives: { hda: hardDisk } }],
    ["--append", { append: "quiet", drives: { hda: hardDisk } }],
  ])("takes no %s that means nothing", (word, request) => {
    expect(() => configure(request)).toThrow(UsageError);
    expect(() => configure(request)).toThrow(word);
  });

  it("names the file that is no kernel", () => {
    expect(() => configure({ kernel })).toThrow(ImageError);
    expect(() => configure({ kernel })).toThrow(/^vmlinuz: Not a Linux kernel/);
  });

  it("does not read a kernel that is larger than memory", () => {
    const huge: NamedSource = { name: "huge", source: { size: 3 * 2 ** 30, read: () => expect.unreachable() } };
    expect(() => configure({ kernel: huge })).toThrow("more than the machine's memory");
  });
});

describe("ROMs", () => {
  const rom = (bytes: number): NamedSource => named("rom.bin", new Uint8Array(bytes));
  const vga = (bytes: number, blocks: number): NamedSource => {
    const image = new Uint8Array(bytes);
    image.set([0x55, 0xaa, blocks]);
    return named("vga.bin", image);
  };

  it("have the sizes that hardware has", () => {
    for (const kb of [64, 128, 256, 1024, 1792, 16_384]) expect(configure({ bios: rom(kb * 1024) }).machine.firmware!.bios).toHaveLength(kb * 1024);
    for (const bytes of [0, 512, 32_768, 65_535, 66_000, (16 * 1024 + 4) * 1024]) expect(() => configure({ bios: rom(bytes) })).toThrow(ImageError);
    expect(configure({ image: floppy, vgabios: vga(38_912, 76) }).machine.firmware!.vgabios).toHaveLength(38_912);
    for (const wrong of [vga(38_900, 76), vga(32_768, 65), rom(32_768), vga(1 << 18, 76)]) {
      expect(() => configure({ image: floppy, vgabios: wrong })).toThrow(ImageError);
    }
  });

  it("boot without a drive when it is a person's own", () => {
    expect(configure({ bios: rom(65_536) }).bootsFrom).toBeNull();
  });
});
