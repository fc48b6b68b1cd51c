// Every container that qemu-img makes of one disk (scripts/build-disk-fixtures.mjs) gives that disk back; what is damaged or made
// to do harm is refused with its reason.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ImageError } from "../base/errors.ts";
import type { ByteSource } from "../hardware/device.ts";
import { openImage } from "./open-image.ts";
import { memorySource } from "./source.ts";
import { TEST_DISK_BYTES, testDisk } from "./test-disk.ts";

const FOLDER = new URL("fixtures/", import.meta.url);
const fixture = (name: string): Uint8Array => new Uint8Array(gunzipSync(readFileSync(new URL(`${name}.gz`, FOLDER))));
const DISK = testDisk();

/** Reads of odd places and lengths, so that each edge of a cluster is met from both sides. */
function expectSame(disk: ByteSource, expected: Uint8Array): void {
  expect(disk.size).toBe(expected.length);
  const whole = new Uint8Array(expected.length);
  disk.read(0, whole);
  expect(Buffer.compare(whole, expected)).toBe(0);
  for (let at = 0, step = 1; at < expected.length; at += step, step = (step * 3 + 511) % 150_001) {
    const part = new Uint8Array(Math.min(step, expected.length - at)).fill(0x5a);
    disk.read(at, part);
    if (Buffer.compare(part, expected.subarray(at, at + part.length)) !== 0) throw new Error(`${part.length} bytes at ${at} differ`);
  }
  expect(() => disk.read(expected.length - 1, new Uint8Array(2))).toThrow(RangeError);
}

describe("disks in containers", () => {
  it.each([
    ["v3.qcow2", "qcow2, version 3", "`QFI"],
    ["v2.qcow2", "qcow2, version 2", "`QFI"],
    ["compressed.qcow2", "qcow2, version 3", "`QFI"],
    ["dynamic.vdi", "VDI, dynamic", "BEDA107Fh at byte 64"],
    ["static.vdi", "VDI, fixed", "BEDA107Fh at byte 64"],
    ["fixed.vhd", "VHD, fixed", "`conectix` in the last 512 bytes"],
    ["dynamic.vhd", "VHD, dynamic", "`conectix` in the last 512 bytes"],
    ["sparse.vmdk", "VMDK, monolithicSparse", "`KDMV` at byte 0"],
    ["stream.vmdk", "VMDK, streamOptimized", "`KDMV` at byte 0"],
  ])("%s", (name, container, evidence) => {
    const { identity, source } = openImage(memorySource(fixture(name)), name);
    expect(identity).toMatchObject({ kind: "hard-disk", bootable: true, suggestedDrive: "hda", details: { container, virtualBytes: TEST_DISK_BYTES, sectorCount: TEST_DISK_BYTES / 512 } });
    expect(identity.description).toContain(container);
    expect(identity.detectedBy).toContain(evidence);
    expect(identity.detectedBy).toContain("55AAh at byte 510");
    expectSame(source, DISK);
  });

  it("a flat VMDK with the file that its descriptor names", () => {
    const asked: string[] = [];
    const { identity, source } = openImage(memorySource(fixture("flat.vmdk")), "flat.vmdk", (name) => {
      asked.push(name);
      return memorySource(DISK);
    });
    expect(asked).toEqual(["flat-flat.vmdk"]);
    expect(identity).toMatchObject({ bootable: true, details: { container: "VMDK, flat (flat-flat.vmdk)" } });
    expectSame(source, DISK);
  });

  it("a file that is no container stays as it is", () => {
    const file = memorySource(DISK);
    const { identity, source } = openImage(file);
    expect(source).toBe(file);
    expect(identity.details.container).toBeUndefined();
  });

  it("a dynamic VHD whose footer was cut off, by the copy at its start", () => {
    const bytes = fixture("dynamic.vhd");
    const { identity, source } = openImage(memorySource(bytes.subarray(0, bytes.length - 512)));
    expect(identity.detectedBy).toContain("`conectix` at byte 0");
    expectSame(source, DISK);
  });

  it("a sector of a dynamic VHD that was never written reads as zeros whatever lies there", () => {
    const bytes = fixture("dynamic.vhd");
    const view = new DataView(bytes.buffer);
    const table = Number(view.getBigUint64(512 + 16));
    const block = view.getUint32(table) * 512;
    bytes[block] &= ~0x40; // bit of sector 1
    const expected = DISK.slice();
    expect(expected.subarray(512, 1024).some((byte) => byte !== 0)).toBe(true);
    expected.fill(0, 512, 1024);
    expectSame(openImage(memorySource(bytes)).source, expected);
  });
});

describe("what is refused, and why", () => {
  it.each([
    ["backing.qcow2", /backing file/, "qemu-img convert -O qcow2 x.img whole.qcow2"],
    ["encrypted.qcow2", /encrypted/, "qemu-img convert"],
    ["zstd.qcow2", /zstd/, "qemu-img convert -f qcow2 -O raw x.img disk.img"],
    ["extended.qcow2", /extended L2/, "qemu-img convert"],
    ["flat.vmdk", /descriptor of a VMDK: the disk is in flat-flat\.vmdk/, "Give flat-flat.vmdk"],
    ["split.vmdk", /names split-s001\.vmdk/, "Give split-s001.vmdk"],
  ])("%s", (name, reason, advice) => {
    const { identity } = openImage(memorySource(fixture(name)), "x.img");
    expect(identity.bootable).toBe(false);
    expect(identity.refusal).toMatchObject({ reason: expect.stringMatching(reason), whatToDo: expect.stringContaining(advice), force: false });
  });

  it("parents, in the headers of VHD, VDI and VMDK", () => {
    const vhd = fixture("fixed.vhd");
    const footer = new DataView(vhd.buffer, vhd.length - 512);
    footer.setUint32(60, 4);
    footer.setUint32(64, footer.getUint32(64) - 2); // the checksum is of all bytes but its own
    expect(openImage(memorySource(vhd)).identity.refusal?.reason).toMatch(/differencing disk/);
    const vdi = fixture("dynamic.vdi");
    vdi[76] = 4;
    expect(openImage(memorySource(vdi)).identity.refusal?.reason).toMatch(/differencing image/);
    const vmdk = Buffer.from(fixture("flat.vmdk")).toString().replace(/parentCID=\w+/, "parentCID=12345678");
    expect(openImage(memorySource(new TextEncoder().encode(vmdk))).identity.refusal?.reason).toMatch(/snapshot/);
    const two = Buffer.from(fixture("split.vmdk")).toString().replace(/^(RW .*)$/m, "$1\n$1");
    expect(openImage(memorySource(new TextEncoder().encode(two))).identity.refusal?.reason).toMatch(/split over 2 files/);
  });
});

/** What cannot be known before it is unpacked is an error then, never other data. */
function expectSameOrError(disk: ByteSource): void {
  try {
    expectSame(disk, DISK);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
  }
}

/** Counts what is read, and fails a test that would never end. */
function limited(bytes: Uint8Array, size = bytes.length): ByteSource & { read: ByteSource["read"]; total: number } {
  return {
    size,
    total: 0,
    read(offset, into) {
      if (!(offset >= 0 && offset + into.length <= size)) throw new Error(`reader asked for ${into.length} bytes at ${offset} of ${size}`);
      this.total += into.length;
      if (this.total > 64 << 20) throw new Error("reader reads without end");
      into.fill(0);
      if (offset < bytes.length) into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

function readAll(disk: ByteSource): void {
  const part = new Uint8Array(65_536);
  for (let at = 0; at + part.length <= Math.min(disk.size, 8 << 20); at += part.length) {
    try {
      disk.read(at, part);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
    }
  }
}

const CONTAINERS = readdirSync(FOLDER).filter((name) => name.endsWith(".gz")).map((name) => name.slice(0, -3));

describe("hostile files", () => {
  it.each(["v3.qcow2", "v2.qcow2", "compressed.qcow2", "dynamic.vdi", "static.vdi", "sparse.vmdk", "stream.vmdk"])("%s cut off is called truncated, and nothing of it crashes", (name) => {
    const bytes = fixture(name);
    for (const share of [0.999, 0.9, 0.6, 0.3]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * share / 512) * 512);
      const { identity, source } = openImage(limited(cut), name);
      if (identity.refusal === undefined) expectSameOrError(source); // nothing but padding, or the end of one cluster
      else expect(identity.refusal.reason).toMatch(/truncated/);
      expect(share > 0.3 || identity.refusal !== undefined).toBe(true);
      readAll(source);
    }
    for (let length = 0; length < 2048; length += 97) openImage(limited(bytes.subarray(0, length)), name);
  });

  it.each(CONTAINERS)("%s with any bytes of its tables changed: a message or a disk, nothing else", (name) => {
    const original = fixture(name);
    let seed = 7;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed >>> 7) % limit;
    };
    const values = [0, 1, 0x7f, 0x80, 0xff];
    for (let round = 0; round < 150; round++) {
      const bytes = original.slice();
      const reach = Math.min(bytes.length, [128, 1024, 70_000, bytes.length][round % 4] as number);
      for (let i = 0; i <= round % 6; i++) {
        const from = round % 3 === 0 ? bytes.length - Math.min(bytes.length, 1536) + random(Math.min(bytes.length, 1536)) : random(reach);
        bytes.fill(values[random(values.length)] as number, from, from + 1 + random(8));
      }
      const { identity, source } = openImage(limited(bytes), name);
      expect(identity.bootable).toBe(identity.refusal === undefined);
      if (source.size < 1 << 30) readAll(source);
    }
  });

  it("sizes of petabytes and tables that claim to fill memory", () => {
    const huge = (name: string, change: (view: DataView) => void, size?: number): string => {
      const bytes = fixture(name);
      change(new DataView(bytes.buffer));
      return openImage(limited(bytes, size ?? bytes.length), name).identity.refusal?.reason ?? "opened";
    };
    expect(huge("v3.qcow2", (view) => view.setBigUint64(24, 1n << 62n))).toMatch(/damaged/);
    expect(huge("v3.qcow2", (view) => (view.setBigUint64(24, 1n << 45n), view.setUint32(36, 0xffff_ffff)), 2 ** 50)).toMatch(/damaged|truncated/);
    expect(huge("dynamic.vdi", (view) => view.setBigUint64(368, 1n << 60n, true))).toMatch(/damaged/);
    expect(huge("dynamic.vdi", (view) => (view.setBigUint64(368, 1n << 45n, true), view.setUint32(384, 0xffff_ffff, true)), 2 ** 50)).toMatch(/damaged|truncated/);
    expect(huge("sparse.vmdk", (view) => view.setBigUint64(12, 1n << 60n, true))).toMatch(/damaged/);
    expect(huge("sparse.vmdk", (view) => (view.setBigUint64(12, 1n << 36n, true), view.setBigUint64(20, 1n, true), view.setUint32(44, 1, true)), 2 ** 50)).toMatch(/damaged|truncated/);
  });

  it("a table that points at itself", () => {
    const bytes = fixture("v3.qcow2");
    const view = new DataView(bytes.buffer);
    const l1 = Number(view.getBigUint64(40));
    view.setBigUint64(l1, BigInt(l1) | (1n << 63n));
    const { source } = openImage(limited(bytes));
    readAll(source);
  });
});

function hasQemuImg(): boolean {
  try {
    execFileSync("qemu-img", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasQemuImg())("what qemu-img makes of random disks (needs qemu-img)", () => {
  const FORMATS: readonly (readonly [string, ...string[]])[] = [
    ["qcow2", "-c", "-o", "cluster_size=512"], ["qcow2", "-o", "cluster_size=2M"], ["qcow2", "-c"], ["vdi"], ["vpc", "-o", "force_size=on"],
    ["vmdk", "-o", "subformat=streamOptimized"], ["vmdk", "-o", "subformat=monolithicSparse"],
  ];
  it.each(FORMATS)("%s %s %s %s", (...words) => {
    const folder = mkdtempSync(join(tmpdir(), "trapscope-disk-"));
    try {
      const disk = new Uint8Array((3 << 20) + 512 * 7);
      let seed = words.length * 77 + words.join("").length;
      const random = (limit: number): number => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return (seed >>> 7) % limit;
      };
      for (let run = 0; run < 30; run++) {
        const from = random(disk.length), length = random(90_000), noise = random(2);
        for (let i = from; i < Math.min(disk.length, from + length); i++) disk[i] = noise ? random(256) : run;
      }
      writeFileSync(join(folder, "disk.img"), disk);
      execFileSync("qemu-img", ["convert", "-f", "raw", "-O", ...words, "disk.img", "out"], { cwd: folder });
      const { identity, source } = openImage(memorySource(new Uint8Array(readFileSync(join(folder, "out")))));
      expect(identity.details.container).toBeDefined();
      expectSame(source, disk);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
