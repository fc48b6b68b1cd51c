// Image formats, packed images and overlays, as a person gives them on the command line.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { countingGuest, debugGuest } from "./boot-sectors.ts";
import { openTrapscope, ROOT, type Trapscope } from "./trapscope.ts";

let cli: Trapscope;
beforeAll(() => {
  cli = openTrapscope();
});
afterAll(() => cli.close());

const fixture = (name: string): Uint8Array => gunzipSync(readFileSync(join(ROOT, "src/block/fixtures", `${name}.gz`)));

async function info(path: string): Promise<{ exitCode: number; detectedBy: string; reason: string; whatToDo: string; packedIn?: string; details: { container?: string; virtualBytes?: number } }> {
  const { stdout } = await cli.run(["info", path, "--json"]);
  return JSON.parse(stdout);
}

/** A hard disk of 4 MB with this boot sector. */
function hardDisk(sector: Uint8Array): Uint8Array {
  const disk = new Uint8Array(4 << 20);
  disk.set(sector);
  disk.set([0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0], 446);
  return disk;
}

describe("containers", () => {
  it.each([["v3.qcow2", "qcow2, version 3"], ["dynamic.vhd", "VHD, dynamic"], ["stream.vmdk", "VMDK, streamOptimized"], ["dynamic.vdi", "VDI, dynamic"]])("%s is named by info", async (name, container) => {
    const found = await info(cli.file(name, fixture(name)));
    expect(found).toMatchObject({ exitCode: 0, details: { container, virtualBytes: 5 * 2 ** 20 + 1536 } });
  });

  it.each([["backing.qcow2", "backing file"], ["zstd.qcow2", "zstd"], ["split.vmdk", "split-s001.vmdk"]])("%s is refused with its reason, code 4", async (name, reason) => {
    const path = cli.file(name, fixture(name));
    expect(await info(path)).toMatchObject({ exitCode: 4, reason: expect.stringContaining(reason) });
    const { outcome, exitCode, reason: said } = await cli.json(["run", path, "--force"]);
    expect([outcome, exitCode]).toEqual(["image-refused", 4]);
    expect(said).toContain(reason);
  });

  it("a truncated image is code 4, not a defect", async () => {
    const bytes = fixture("v3.qcow2");
    const path = cli.file("cut.qcow2", bytes.subarray(0, bytes.length >> 1));
    expect(await info(path)).toMatchObject({ exitCode: 4, reason: expect.stringContaining("truncated") });
    expect((await cli.run(["run", path])).code).toBe(4);
  });

  it("finds the flat file beside a VMDK descriptor", async () => {
    const path = cli.file("flat.vmdk", fixture("flat.vmdk"));
    expect((await info(path)).whatToDo).toContain("flat-flat.vmdk");
    cli.file("flat-flat.vmdk", fixture("fixed.vhd").subarray(0, 5 * 2 ** 20 + 1536));
    expect(await info(path)).toMatchObject({ exitCode: 0, details: { container: "VMDK, flat (flat-flat.vmdk)" } });
  });
});

describe("packed images", () => {
  it("boot from gz, xz and zip", async () => {
    const guest = debugGuest("unpacked");
    const paths = [cli.file("a.img.gz", gzipSync(guest)), cli.file("b.zip", zipSync({ "read.me": new TextEncoder().encode("x"), "b.img": guest }))];
    for (const path of paths) expect((await cli.json(["run", path, "--expect", "unpacked"])).outcome).toBe("expected");
    cli.file("c.img", guest);
    try {
      execFileSync("xz", ["c.img"], { cwd: cli.folder });
    } catch {
      return; // no xz here
    }
    expect((await cli.json(["run", join(cli.folder, "c.img.xz"), "--expect", "unpacked"])).outcome).toBe("expected");
    expect((await info(join(cli.folder, "c.img.xz"))).packedIn).toContain("xz");
  });

  it("ask which one is meant, and take it", async () => {
    const path = cli.file("two.zip", zipSync({ "one.img": debugGuest("first"), "two.img": debugGuest("second") }));
    const refused = await cli.json(["run", path]);
    expect([refused.exitCode, refused.reason]).toEqual([4, expect.stringContaining("two.zip:one.img")]);
    expect((await cli.json(["run", `${path}:two.img`, "--expect", "second"])).outcome).toBe("expected");
    expect((await cli.json(["run", `${path}:three.img`])).exitCode).toBe(4);
  });

  it("are refused when they are damaged", async () => {
    const packed = gzipSync(hardDisk(debugGuest("x")));
    expect((await cli.json(["run", cli.file("cut.gz", packed.subarray(0, packed.length - 20))])).exitCode).toBe(4);
  });
});

describe("--overlay", () => {
  const count = async (...args: string[]): Promise<string> => {
    for (let n = 1; n < 8; n++) if ((await cli.json(["run", ...args, "--expect", String(n), "--timeout", "20"])).outcome === "expected") return String(n);
    return "none";
  };

  it("keeps what the guest wrote from run to run, and leaves the image alone", async () => {
    const disk = hardDisk(countingGuest());
    const path = cli.file("count.img", disk), overlay = join(cli.folder, "count.overlay");
    expect((await cli.json(["run", path, "--overlay", overlay, "--expect", "1"])).outcome).toBe("expected");
    expect((await cli.json(["run", path, "--overlay", overlay, "--expect", "2"])).outcome).toBe("expected");
    expect((await cli.json(["run", "--hda", path, "--overlay", `hda=${overlay}`, "--expect", "3"])).outcome).toBe("expected");
    expect(await count(path)).toBe("1");
    expect(Buffer.compare(readFileSync(path), disk)).toBe(0);
  });

  it("is refused for another image", async () => {
    const overlay = join(cli.folder, "other.overlay");
    await cli.json(["run", cli.file("one.img", hardDisk(countingGuest())), "--overlay", overlay]);
    const other = hardDisk(countingGuest());
    other[1_000_000] = 1;
    const refused = await cli.json(["run", cli.file("two.img", other), "--overlay", overlay]);
    expect([refused.exitCode, refused.reason]).toEqual([4, expect.stringContaining("belongs to another image")]);
    writeFileSync(overlay, "something else");
    expect((await cli.json(["run", join(cli.folder, "one.img"), "--overlay", overlay])).exitCode).toBe(4);
    expect((await cli.json(["run", join(cli.folder, "one.img"), "--overlay", "hdb=x"])).exitCode).toBe(1);
  });
});
