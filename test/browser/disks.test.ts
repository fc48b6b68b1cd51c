// Disks as a person brings them: containers, archives, images by URL, media changed while the guest runs, and what becomes of
// the guest's writes. Real files, real input, a real Chromium with a profile on the disk.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TEST_DISK_SAYS, testDisk } from "../../src/block/test-disk.ts";
import { type Answer, dropFiles, ISOLATION, launchProfile, serialText, site, useSite, violations, waitForSerial, watch } from "./chromium.ts";
import { FIRST_LINE, type Journal, journalDisk, readJournal } from "./journal-guest.ts";

const FIXTURES = "src/block/fixtures";
const CONTAINERS = ["v2.qcow2", "v3.qcow2", "compressed.qcow2", "fixed.vhd", "dynamic.vhd", "sparse.vmdk", "stream.vmdk", "dynamic.vdi", "static.vdi"];

let folder: string, context: BrowserContext, page: Page;
const problems: string[] = [];

/** The ranges that the server was asked for, and how it answers the one of that number from the first on. */
const asked: (string | undefined)[] = [];
type Server = "ranges" | "whole" | "other part" | "forgets" | "grows" | "stalls";
let server: Server = "ranges";
const REMOTE_BYTES = 200e9;

/** A disk of 200 GB in parts, or a small one as a whole. */
const remoteDisk: Answer = (request, response) => {
  if (!request.url?.endsWith("/remote/disk.img")) return false;
  const { range } = request.headers, disk = testDisk(), match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
  const number = asked.push(range);
  if (server === "whole" || server === "stalls" || !match || (server === "forgets" && number > 1)) {
    response.writeHead(200, { ...ISOLATION, "Content-Length": disk.length });
    // Half of it, and no more.
    if (server === "stalls") response.write(disk.subarray(0, disk.length / 2));
    else response.end(disk);
    return true;
  }
  const shift = server === "other part" ? 512 : 0, [first, last] = [Number(match[1]) + shift, Number(match[2]) + shift], bytes = Buffer.alloc(last - first + 1);
  bytes.set(disk.subarray(first, last + 1));
  const size = server === "grows" && number > 1 ? REMOTE_BYTES + 512 : REMOTE_BYTES;
  response.writeHead(206, { ...ISOLATION, "Content-Range": `bytes ${first}-${last}/${size}`, "Content-Length": bytes.length }).end(bytes);
  return true;
};

useSite(remoteDisk);
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "trapscope-disks-"));
  problems.length = 0;
  asked.length = 0;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  expect(problems).toEqual([]);
});

/** A profile that the tests of a group share, or one for each. */
function useProfile(each: boolean): void {
  let profile: string;
  const launch = async (): Promise<void> => {
    profile = mkdtempSync(join(tmpdir(), "trapscope-profile-"));
    context = await launchProfile(profile);
  };
  const close = async (): Promise<void> => {
    await context.close();
    rmSync(profile, { recursive: true });
  };
  if (each) beforeEach(launch);
  else beforeAll(launch);
  beforeEach(async () => {
    page = await open();
  });
  afterEach(() => (each ? close() : page.close()));
  if (!each) afterAll(close);
}

async function open(): Promise<Page> {
  const fresh = await context.newPage();
  await fresh.setViewportSize({ width: 1400, height: 900 });
  watch(fresh, problems);
  await fresh.goto(site.address);
  await fresh.waitForSelector("[data-guest=popf]");
  return fresh;
}

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const fixture = (name: string): string => file(name, gunzipSync(readFileSync(`${FIXTURES}/${name}.gz`)));

/** The first line scrolls out of the terminal's rows: it is kept, and the guest waits for a key behind it. */
const begun = new WeakMap<Page, string>();

async function journal(own: Page, steps = 1): Promise<Journal> {
  if (!begun.has(own)) {
    await expect.poll(() => serialText(own)).toMatch(FIRST_LINE);
    begun.set(own, FIRST_LINE.exec(await serialText(own))?.[0] ?? "");
    await own.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await own.keyboard.press("g");
  }
  let found: Journal | null = null;
  await expect.poll(async () => {
    found = readJournal((begun.get(own) ?? "") + (await serialText(own)).replace(FIRST_LINE, ""));
    return found ? found.flushed - found.began : -1;
  }).toBeGreaterThanOrEqual(steps);
  return found as unknown as Journal;
}

/** Of a paused guest: all it has sent is on the console once that no longer changes. */
async function lastFlush(own: Page): Promise<number> {
  let before = -1;
  await expect.poll(async () => {
    const { flushed } = await journal(own), settled = flushed === before;
    before = flushed;
    return settled;
  }, { interval: 1000, timeout: 30_000 }).toBe(true);
  return before;
}

const openDrives = async (): Promise<void> => {
  await page.getByRole("button", { name: "Drives" }).focus();
  await page.keyboard.press("Enter");
};
const runControl = (name: "Run" | "Pause"): Promise<void> => page.getByRole("button", { name, exact: true }).press("Enter");
const drive = (name: string): ReturnType<Page["locator"]> => page.locator(`[data-drive=${name}]`);

/** A disc whose boot catalog (block 20) names block 22, without emulation: the code of the test disk. */
function bootDisc(): Uint8Array {
  const disc = new Uint8Array(40 * 2048), view = new DataView(disc.buffer), text = (at: number, words: string): void => disc.set(new TextEncoder().encode(words), at);
  disc[16 * 2048] = 1;
  text(16 * 2048 + 1, "CD001\x01");
  view.setUint32(16 * 2048 + 80, 40, true);
  text(17 * 2048 + 1, "CD001\x01EL TORITO SPECIFICATION");
  view.setUint32(17 * 2048 + 0x47, 20, true);
  disc[18 * 2048] = 255;
  text(18 * 2048 + 1, "CD001\x01");
  disc[20 * 2048] = 1;
  view.setUint16(20 * 2048 + 28, 0x55aa, true); // the words of the entry sum to 0
  view.setUint16(20 * 2048 + 30, 0xaa55, true);
  disc[20 * 2048 + 32] = 0x88;
  view.setUint16(20 * 2048 + 38, 4, true);
  view.setUint32(20 * 2048 + 40, 22, true);
  disc.set(testDisk().subarray(0, 446), 22 * 2048);
  return disc;
}

describe("image formats", () => {
  useProfile(false);

  it.each(CONTAINERS)("%s made by qemu-img boots when it is dropped", async (name) => {
    await dropFiles(page, [fixture(name)]);
    await waitForSerial(page, TEST_DISK_SAYS);
  });

  it.each([
    ["backing.qcow2", "backing file"], ["zstd.qcow2", "zstd"], ["encrypted.qcow2", "encrypted"], ["extended.qcow2", "extended L2"], ["flat.vmdk", "flat-flat.vmdk"],
    ["split.vmdk", "split-s001.vmdk"],
  ])("%s says why not", async (name, reason) => {
    await dropFiles(page, [fixture(name)]);
    const dialog = page.locator("dialog");
    await dialog.waitFor();
    expect(await dialog.innerText()).toContain(reason);
  });

  it.each([
    ["disk.img.gz", () => gzipSync(testDisk())],
    ["disk.img.xz", () => readFileSync(`${FIXTURES}/disk.img.xz`)],
    ["disk.zip", () => zipSync({ "read.me": new TextEncoder().encode("words"), "disk.img": testDisk() })],
    ["stored.zip", () => zipSync({ "disk.img": testDisk() }, { level: 0 })],
    ["disk.qcow2.gz", () => readFileSync(`${FIXTURES}/v3.qcow2.gz`)],
  ])("%s is unpacked and boots", async (name, make) => {
    await dropFiles(page, [file(name, make())]);
    await waitForSerial(page, TEST_DISK_SAYS);
  });

  it.each([["160 KB", 160], ["720 KB", 720], ["1.68 MB", 1680], ["2.88 MB", 2880]])("a floppy of %s boots by its size", async (_, kilobytes) => {
    const floppy = new Uint8Array(kilobytes * 1024);
    floppy.set(testDisk().subarray(0, 446));
    floppy.set([0x55, 0xaa], 510);
    await dropFiles(page, [file("floppy.img", floppy)]);
    await waitForSerial(page, TEST_DISK_SAYS);
    await openDrives();
    await drive("fda").getByText("floppy.img").waitFor();
  });

  it("a flat VMDK boots when its descriptor is dropped with the file that holds the disk", async () => {
    await dropFiles(page, [fixture("flat.vmdk"), file("flat-flat.vmdk", testDisk())]);
    await waitForSerial(page, TEST_DISK_SAYS);
    await openDrives();
    await drive("hda").getByText("flat.vmdk").waitFor();
  });

  it("a CD-ROM boots by its El Torito entry", async () => {
    await dropFiles(page, [file("disc.iso", bootDisc())]);
    await waitForSerial(page, TEST_DISK_SAYS);
    await openDrives();
    await drive("cdrom").getByText("disc.iso").waitFor();
  });

  it("several disks go on drives of their own", async () => {
    await dropFiles(page, [file("first.img", testDisk()), fixture("v3.qcow2"), file("disc.iso", bootDisc())]);
    const dialog = page.locator("dialog");
    await dialog.waitFor();
    expect(await dialog.locator("select").evaluateAll((own) => own.map((select) => (select as HTMLSelectElement).value))).toEqual(["hda", "hdb", "cdrom"]);
    await dialog.getByRole("button", { name: "Boot", exact: true }).press("Enter");
    await waitForSerial(page, TEST_DISK_SAYS);
    await openDrives();
    for (const [name, medium] of [["hda", "first.img"], ["hdb", "v3.qcow2"], ["cdrom", "disc.iso"]] as const) await drive(name).getByText(medium).waitFor();
  });

  it("an archive of several images asks, and takes the keyboard's answer", async () => {
    const other = testDisk();
    other.set(new TextEncoder().encode("another"), 43);
    await dropFiles(page, [file("two.zip", zipSync({ "one.img": testDisk(), "two.img": other }))]);
    await page.getByRole("dialog", { name: "Which file of two.zip?" }).waitFor();
    await page.getByRole("radio", { name: /one.img/ }).focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Take it" }).press("Enter");
    await waitForSerial(page, "another");
  });

  it("a damaged archive is refused with its reason", async () => {
    const packed = gzipSync(testDisk());
    await dropFiles(page, [file("cut.img.gz", packed.subarray(0, packed.length - 300))]);
    const dialog = page.getByRole("dialog", { name: "cut.img.gz cannot be unpacked" });
    await dialog.waitFor();
    expect(await dialog.innerText()).toMatch(/damaged or truncated/);
  });

  it("unpacking shows how far it is, and can be canceled", async () => {
    const large = Buffer.alloc(400 << 20);
    for (let at = 0; at < large.length; at += 8192) large.writeDoubleLE(at * 1.1, at);
    await dropFiles(page, [file("large.img.gz", gzipSync(large, { level: 1 }))]);
    const dialog = page.getByRole("dialog", { name: "Unpacking large.img.gz" });
    await dialog.waitFor();
    await expect.poll(() => dialog.innerText()).toMatch(/[1-9]\d* %.*MB/s);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Storage" }).click();
    const kept = page.getByRole("dialog", { name: "What this browser keeps" });
    await kept.getByText("that the browser allows").waitFor();
    expect(await kept.getByRole("region", { name: "Images" }).innerText()).not.toContain("large.img");
  });

  it("a disk of 200 GB that is almost all hole boots without being read", async () => {
    const path = file("huge.img", testDisk());
    truncateSync(path, 200e9);
    expect(statSync(path).blocks * 512).toBeLessThan(100 << 20);
    await dropFiles(page, [path]);
    await waitForSerial(page, TEST_DISK_SAYS);
  });
});

describe("what the guest writes", () => {
  useProfile(true);

  it("is saved, found again, committed and discarded, by the keyboard alone", async () => {
    const path = file("journal.img", journalDisk());
    await dropFiles(page, [path]);
    await journal(page, 3);
    await page.getByTestId("save-state").waitFor();
    await page.reload();
    await page.waitForSelector("[data-guest=popf]");
    begun.delete(page);
    await dropFiles(page, [path]);
    const second = await journal(page, 2);
    expect(second.began).toBeGreaterThanOrEqual(3);

    await runControl("Pause");
    await openDrives();
    await drive("hda").getByText(/changed, saved, not committed/).waitFor();
    expect(await violations(page)).toEqual([]);
    await drive("hda").getByRole("button", { name: "Commit" }).press("Enter");
    await drive("hda").getByText(/, committed/).waitFor();
    const committed = await lastFlush(page);
    await page.keyboard.press("Escape");
    await runControl("Run");
    await journal(page, committed - second.began + 3);
    await runControl("Pause");
    await openDrives();
    await drive("hda").getByText(/since the last commit/).waitFor();
    begun.delete(page);
    await drive("hda").getByRole("button", { name: "Discard…" }).press("Enter");
    await drive("hda").getByRole("button", { name: "Discard and restart" }).press("Enter");
    const third = await journal(page);
    expect(third.began).toBeGreaterThanOrEqual(committed);
    expect(third.began).toBeLessThanOrEqual(committed + 1); // a step may have been under way
  });

  it("comes out with the whole disk, and the image stays as it was", async () => {
    const image = journalDisk(), path = file("journal.img", image);
    await dropFiles(page, [path]);
    await journal(page, 3);
    await openDrives();
    const download = page.waitForEvent("download");
    await drive("hda").getByRole("button", { name: "Export…" }).press("Enter");
    const bytes = readFileSync(await (await download).path());
    expect((await download).suggestedFilename()).toBe("journal-changed.img");
    expect(bytes.length).toBe(image.length);
    expect(bytes.readUInt32LE(512)).toBeGreaterThanOrEqual(3);
    image.set(bytes.subarray(0, 32 * 512));
    expect(Buffer.compare(bytes, image)).toBe(0);
    expect(Buffer.compare(readFileSync(path), journalDisk())).toBe(0);
    await journal(page, bytes.readUInt32LE(512) + 2); // it goes on
  });

  it("is listed with its size, and deleted; the machine's own is not", async () => {
    await dropFiles(page, [file("disk.img.gz", gzipSync(journalDisk(7)))]);
    await journal(page, 2);
    await openDrives();
    await page.getByRole("button", { name: "Storage…" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "What this browser keeps" });
    const changes = dialog.getByRole("region", { name: "Saved changes" }), images = dialog.getByRole("region", { name: "Images" });
    await changes.getByText("in use now").waitFor();
    expect(await changes.getByRole("button").count()).toBe(0);
    expect(await images.innerText()).toMatch(/disk\.img 4 MB\s+unpacked from disk\.img\.gz/);
    expect(await violations(page)).toEqual([]);
    await page.reload();
    await page.waitForSelector("[data-guest=popf]");
    await page.getByRole("button", { name: "Storage" }).click();
    begun.delete(page);
    await images.getByRole("button", { name: "Boot" }).press("Enter");
    expect((await journal(page)).began).toBeGreaterThanOrEqual(2);
    await page.reload();
    await page.waitForSelector("[data-guest=popf]");
    await page.getByRole("button", { name: "Storage" }).click();
    for (const region of [changes, images]) {
      await region.getByRole("button", { name: "Delete…" }).press("Enter");
      await region.getByRole("button", { name: "Really delete" }).press("Enter");
      await region.getByRole("button", { name: "Delete…" }).waitFor({ state: "detached" });
    }
    await changes.getByText("What guests write to their disks is kept here").waitFor();
  });

  it("stays in memory, with a word about it, while another tab has the image", async () => {
    const path = file("journal.img", journalDisk());
    await dropFiles(page, [path]);
    await journal(page);
    const second = await open();
    await dropFiles(second, [path]);
    await journal(second);
    await second.getByText(/Another tab or drive uses this image/).waitFor();
    await second.getByText("Disk changes in memory only").waitFor();
  });

  it("stops the guest before the first block is lost when storage is full", async () => {
    const origin = new URL(site.address).origin;
    const client = await context.newCDPSession(page);
    await client.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 5 << 20 });
    await dropFiles(page, [file("filler.img", fillingDisk())]);
    const dialog = page.getByRole("dialog", { name: "The browser's storage is full" });
    await dialog.waitFor();
    expect(await dialog.innerText()).toContain("Nothing is lost yet");
    await page.locator("footer [role=status]", { hasText: "paused" }).waitFor();
    await client.send("Storage.overrideQuotaForOrigin", { origin });
    await dialog.getByRole("button", { name: "Go on" }).press("Enter");
    // With room again everything is saved.
    await page.getByText("Disk changes saved").waitFor();
  });
});

/** Sends "0", writes every sector of an 8 MB disk from the second one on (int 13h, AH=43h, 32 sectors each), sends "Z", and waits. */
function fillingDisk(): Uint8Array {
  const code = `
    ea057c0000 31c0 8ed8 8ec0 8ed0 bc007c fc 88160006 b030 baf803 ee
    66c706000510002000 66c706040500000010 66c706080501000000 66c7060c0500000000
    66813e0805003c0000 7314 be0005 b80043 8a160006 cd13 668306080520 ebe1
    b05a baf803 ee fb f4 ebfd`.replace(/\s/g, "");
  const disk = new Uint8Array(8 << 20);
  disk.set((code.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
  disk.set([0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 0xff, 0x3f, 0, 0, ...new Array<number>(48).fill(0), 0x55, 0xaa], 446);
  return disk;
}

describe("media", () => {
  useProfile(false);

  it("are swapped while the guest runs", async () => {
    await dropFiles(page, ["public/guests/tour.img"]);
    await waitForSerial(page, "t86>");
    await openDrives();
    const input = page.getByLabel("File for Floppy A");
    await input.setInputFiles(file("second.img.gz", gzipSync(new Uint8Array(1_474_560))));
    await drive("fda").getByText("second.img").waitFor();
    await page.getByLabel("File for CD-ROM").setInputFiles(file("notes.txt", new TextEncoder().encode("no disk at all\n".repeat(200))));
    await page.getByText(/notes\.txt: This is a text file/).waitFor();
    // Dropped on a place of its own while the guest runs: asked whether to boot or to insert.
    await page.keyboard.press("Escape");
    await dropFiles(page, [file("third.img", bootDisc())], "cdrom");
    const dialog = page.locator("dialog");
    await dialog.waitFor();
    expect(await dialog.locator("select").inputValue()).toBe("cdrom");
    await dialog.getByRole("button", { name: /^Insert/ }).press("Enter");
    await openDrives();
    await drive("cdrom").getByText("third.img").waitFor();
    await drive("fda").getByRole("button", { name: "Eject" }).press("Enter");
    await drive("fda").getByText("empty").waitFor();
    await page.locator("footer [role=status]", { hasText: "running" }).or(page.locator("footer [role=status]", { hasText: "waiting" })).waitFor();
  });
});

describe("an image by its address", () => {
  useProfile(true);

  const openUrl = async (): Promise<void> => {
    await page.goto(`${site.address}?image=${encodeURIComponent(`${site.address}remote/disk.img`)}`);
    const dialog = page.getByRole("dialog", { name: "Run an image from the network?" });
    await dialog.waitFor();
    expect(asked).toEqual([]); // nothing is asked for before the person agreed
    await dialog.getByRole("button", { name: "Download and boot" }).press("Enter");
  };

  it("is read in parts where the server can: 200 GB boot with a few requests", async () => {
    server = "ranges";
    await openUrl();
    await waitForSerial(page, TEST_DISK_SAYS);
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.filter((range) => range === undefined)).toEqual([]);
  });

  it("is refused, with the reason, where the server gives another part, all of it, or another file than before", async () => {
    for (const [how, reason] of [["forgets", /answered with HTTP 200 to a request for a part/], ["grows", /has changed on its server/]] as const) {
      server = how;
      asked.length = 0;
      await openUrl();
      const dialog = page.getByRole("dialog").filter({ hasText: reason });
      await dialog.waitFor();
      await expect.poll(() => page.locator("footer [role=status]").innerText()).toBe("no machine");
    }
    // From the first answer on: it is no server of parts, and the whole is asked for.
    server = "other part";
    asked.length = 0;
    await openUrl();
    await waitForSerial(page, TEST_DISK_SAYS);
    expect(asked).toHaveLength(2);
    expect(asked[1]).toBeUndefined();
    // A download that comes to nothing can be canceled.
    server = "stalls";
    asked.length = 0;
    await openUrl();
    const dialog = page.getByRole("dialog", { name: /disk\.img/ });
    await dialog.getByText(/[1-9]\d* %/).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).press("Enter");
    await dialog.waitFor({ state: "detached" });
    await page.locator("footer [role=status]", { hasText: "no machine" }).waitFor();
  });

  it("is downloaded as a whole where not, and kept", async () => {
    server = "whole";
    await openUrl();
    await waitForSerial(page, TEST_DISK_SAYS);
    await openDrives();
    await page.getByRole("button", { name: "Storage…" }).press("Enter");
    await page.getByText(/downloaded from http/).waitFor();
  });
});

describe("where the browser keeps nothing", () => {
  it("says so before the guest has written, and runs it all the same", async () => {
    // As a person forbids it: "block all site data".
    const profile = mkdtempSync(join(tmpdir(), "trapscope-profile-"));
    mkdirSync(join(profile, "Default"));
    writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
    context = await launchProfile(profile);
    page = await open();
    expect(await page.evaluate(() => navigator.storage.getDirectory().then(() => "given", (error: Error) => error.name))).not.toBe("given");
    await dropFiles(page, [file("journal.img", journalDisk())]);
    await page.getByText(/journal\.img: This browser refuses storage here/).waitFor();
    await journal(page, 2);
    await page.getByText("Disk changes in memory only").waitFor();
    await openDrives();
    await drive("hda").getByText(/in memory/).first().waitFor();
    await page.getByRole("button", { name: "Storage…" }).press("Enter");
    const kept = page.getByRole("dialog", { name: "What this browser keeps" });
    await kept.getByText("nothing outlives the tab").waitFor();
    await context.close();
    rmSync(profile, { recursive: true });
  });
});
