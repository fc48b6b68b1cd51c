// Debian on a disk image, dropped on the page: to a shell that lists files and knows the time, and that goes on under other techniques
// without a reboot. TRAPSCOPE_DEBIAN_DISK names the image
// (scripts/build-debian-disk.sh builds one); without it this suite is skipped.

import { execFileSync } from "node:child_process";
import { closeSync, copyFileSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dropFiles, page, serialText, site, usePage, waitForSerial } from "./chromium.ts";

const DISK = process.env.TRAPSCOPE_DEBIAN_DISK ?? "";
const BOOT_MS = 300_000;
/** Scanning is slow, and the first command under each technique runs cold. */
const SWITCH_MS = 120_000;

/** The last bytes of a file that is too long for one string. */
function endOf(path: string, bytes: number): string {
  const file = openSync(path, "r"), end = Buffer.alloc(bytes);
  readSync(file, end, 0, bytes, fstatSync(file).size - bytes);
  closeSync(file);
  return end.toString();
}

describe.skipIf(DISK === "")("Debian dropped on the page (TRAPSCOPE_DEBIAN_DISK)", () => {
  usePage();

  async function shell(command: string, answer: RegExp, patienceMs = 30_000): Promise<RegExpExecArray> {
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await page.keyboard.type(command);
    await page.keyboard.press("Enter");
    const end = Date.now() + patienceMs;
    for (;;) {
      const found = answer.exec(await serialText(page));
      if (found) return found;
      if (Date.now() > end) throw new Error(`no ${answer} after ${command}:\n${await serialText(page)}\n${(await page.locator("dialog, footer").allInnerTexts()).join("\n")}`);
      await page.waitForTimeout(200);
    }
  }

  it("boots to a shell that has the right time, goes through scan, vtx and translate and back, and Node replays it", { timeout: BOOT_MS * 4 + SWITCH_MS * 4 }, async () => {
    await page.goto(`${site.address}?view=debug`);
    await page.waitForSelector("[data-guest]");
    await dropFiles(page, [DISK]);
    await waitForSerial(page, "GUEST READY", BOOT_MS);
    await shell("ls -d /bin /proc", /\n\/bin\s+\/proc/);
    const [, seconds] = await shell("date +now=%s=", /now=(\d{10})=/);
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10);

    // The same machine goes on under others: what the shell counted before is still there, and so is the boot.
    await shell("counted=41; echo set=$counted=", /set=41=/);
    const [, booted] = await shell("echo up=$(cat /proc/sys/kernel/random/boot_id)=", /up=([0-9a-f-]{36})=/);
    for (const technique of ["scan", "vtx", "translate", "emulate"] as const) {
      await page.click("#technique");
      await page.check(`input[name=technique][value=${technique}]`);
      await page.keyboard.press("Escape");
      expect(await page.locator("#technique").innerText()).toContain(technique);
      await shell(`counted=$((counted+1)); echo under=${technique}=$counted=`, new RegExp(`under=${technique}=\\d+=`), SWITCH_MS);
      expect(await page.getByRole("dialog").count()).toBe(0); // it was not refused
    }
    const [, counted, still] = await shell("echo all=$counted=$(cat /proc/sys/kernel/random/boot_id)=", /all=(\d+)=([0-9a-f-]{36})=/);
    expect([counted, still]).toEqual(["45", booted]);

    // All of it was recorded from power-on: Node repeats it to the same state and the same log.
    const folder = mkdtempSync(join(tmpdir(), "trapscope-debian-"));
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.waitForSelector("[data-instant]");
    const save = async (name: string, choose: () => Promise<void>): Promise<string> => {
      const [file] = await Promise.all([page.waitForEvent("download"), choose()]);
      await file.saveAs(join(folder, name));
      return join(folder, name);
    };
    await page.getByRole("tab", { name: "Time", exact: true }).click();
    const recording = await save("boot.trk", () => page.getByRole("button", { name: "Save recording" }).click());
    await page.getByRole("button", { name: "Export", exact: true }).click();
    const log = await save("page.jsonl", () => page.getByRole("button", { name: "JSON lines" }).click());
    const replayed = join(folder, "node.jsonl");
    execFileSync("bin/trapscope", ["replay", recording, DISK, "--trap-log", replayed, "--log", "exit,leak,observed"], { stdio: "inherit" });
    // The page's ring has the newest records; the file that Node writes has all of them.
    const kept = readFileSync(log, "utf8"), records = kept.slice(kept.indexOf("\n") + 1);
    expect(records.split("\n").length).toBeGreaterThan(10_000);
    expect(endOf(replayed, Buffer.byteLength(records)) === records).toBe(true);
    rmSync(folder, { recursive: true });
  });

  it("boots from the same disk made 3 GB large, without reading it", { timeout: 120_000 }, async () => {
    const large = join(mkdtempSync(join(tmpdir(), "trapscope-large-")), "large.img");
    copyFileSync(DISK, large);
    truncateSync(large, 3 * 2 ** 30);
    await page.goto(site.address);
    await page.waitForSelector("[data-guest]");
    await dropFiles(page, [large]);
    await waitForSerial(page, "Loading", 60_000);
    rmSync(large);
  });
});
