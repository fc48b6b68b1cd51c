// Debian on a disk image, dropped on the page: to a shell that lists files and knows the time. TRAPSCOPE_DEBIAN_DISK names the image
// (scripts/build-debian-disk.sh builds one); without it this suite is skipped.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dropFiles, page, serialText, site, usePage, waitForSerial } from "./chromium.ts";

const DISK = process.env.TRAPSCOPE_DEBIAN_DISK ?? "";
const BOOT_MS = 300_000;

describe.skipIf(DISK === "")("Debian dropped on the page (TRAPSCOPE_DEBIAN_DISK)", () => {
  usePage();

  async function shell(command: string, answer: RegExp): Promise<RegExpExecArray> {
    await page.locator("[role=tabpanel]:not([hidden]) .xterm-helper-textarea").first().focus();
    await page.keyboard.type(command);
    await page.keyboard.press("Enter");
    const end = Date.now() + 30_000;
    for (;;) {
      const found = answer.exec(await serialText(page));
      if (found) return found;
      if (Date.now() > end) throw new Error(`no ${answer} after ${command}:\n${await serialText(page)}`);
      await page.waitForTimeout(200);
    }
  }

  it("boots to a shell that runs ls and has the right time, and Node replays it", { timeout: BOOT_MS * 3 }, async () => {
    await page.goto(`${site.address}?view=debug`);
    await page.waitForSelector("[data-guest]");
    await dropFiles(page, [DISK]);
    await waitForSerial(page, "GUEST READY", BOOT_MS);
    await shell("ls -d /bin /proc", /\n\/bin\s+\/proc/);
    const [, seconds] = await shell("date +now=%s=", /now=(\d{10})=/);
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10);

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
    const lines = (path: string): string[] => readFileSync(path, "utf8").trimEnd().split("\n").slice(1);
    const kept = lines(log), all = lines(replayed);
    expect(kept.length).toBeGreaterThan(10_000);
    expect(kept).toEqual(all.slice(-kept.length));
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
