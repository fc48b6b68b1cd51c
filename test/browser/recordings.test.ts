// A recording is opened in the page: its files are found or asked for, it repeats bit for bit, and one can go back in it.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locator } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readJsonl } from "../../src/trace/jsonl.ts";
import { dropFiles, page, site, typeOnSerial, usePage, violations, waitForSerial } from "./chromium.ts";

const TOUR = "public/guests/tour.img";
let folder: string;

usePage({ width: 1500, height: 950 });
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), "trapscope-recordings-")); });
afterAll(() => rmSync(folder, { recursive: true }));

async function saved(press: () => Promise<void>, name: string): Promise<string> {
  const download = page.waitForEvent("download");
  await press();
  const path = join(folder, name);
  await (await download).saveAs(path);
  return path;
}

/** A run under `trap`, with what was typed, as the page saves it; and its log. */
async function record(image: string, name: string): Promise<{ readonly trk: string; readonly log: string }> {
  await page.goto(`${site.address}?view=debug&technique=trap`);
  await page.waitForSelector("[data-guest=popf]");
  await dropFiles(page, [image]);
  await waitForSerial(page, "t86>");
  await typeOnSerial(page, "sensitive\n");
  await waitForSerial(page, "\nt86>");
  await typeOnSerial(page, "echo it was recorded\n");
  await waitForSerial(page, "\nit was recorded");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.locator("footer [role=status]", { hasText: "paused" }).waitFor();
  const log = await exportLog(`${name}.jsonl`);
  await page.getByRole("tab", { name: "Time", exact: true }).click();
  const trk = await saved(() => page.getByRole("button", { name: "Save recording" }).click(), `${name}.trk`);
  return { trk, log };
}

function exportLog(name: string): Promise<string> {
  return saved(async () => {
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "JSON lines" }).click();
  }, name);
}

const recording = (): Locator => page.getByRole("region", { name: "Replay", exact: true });

it("finds a bundled guest by its content, comes to the same state and log, and goes back in it", async () => {
  const { trk, log } = await record(TOUR, "tour");
  await page.goto(`${site.address}?view=debug`);
  await page.waitForSelector("[data-guest=popf]");
  await dropFiles(page, [trk]);
  const dialog = page.getByRole("dialog", { name: "Replay tour.trk" });
  await dialog.getByText("✓ a bundled guest").waitFor();
  expect(await dialog.innerText()).toContain("trap · ring 1");
  expect(await violations()).toEqual([]);
  await dialog.getByRole("button", { name: "Replay" }).click();
  await recording().getByText("all is the same").waitFor();
  await page.locator("footer [role=status]", { hasText: "the recording has ended" }).waitFor();
  // What was typed then is seen again, and each record of the log is the same.
  await waitForSerial(page, "\nit was recorded");
  expect(readFileSync(await exportLog("again.jsonl"), "utf8")).toBe(readFileSync(log, "utf8"));
  expect(await violations()).toEqual([]);

  // Back, to the next trap, and to the end once more.
  const status = page.locator("footer [role=status]");
  await page.getByRole("tab", { name: "Time", exact: true }).click();
  const instant = page.getByRole("slider", { name: "Instant" });
  const end = Number(await instant.inputValue());
  const past = page.getByRole("region", { name: "Past" });
  await past.getByRole("textbox").fill(String(Math.floor(end / 2)));
  await past.getByRole("button", { name: "Go", exact: true }).click();
  await expect.poll(() => instant.inputValue()).toBe(String(Math.floor(end / 2)));
  const after = readJsonl(readFileSync(log, "utf8")).traps.find(({ icount, kind }) => kind !== "observed" && icount >= Math.floor(end / 2))!;
  await page.getByRole("button", { name: "Next trap" }).click();
  await expect.poll(() => status.innerText()).toBe("paused at a trap");
  await expect.poll(async () => Number(await instant.inputValue()) - after.icount).toBeLessThanOrEqual(1);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect.poll(() => status.innerText()).toBe("the recording has ended");
  expect(Number(await instant.inputValue())).toBe(end);
  // Behind its end the machine is one's own.
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await recording().getByText("was left after").waitFor();
  await typeOnSerial(page, "echo and it goes on\n");
  await waitForSerial(page, "\nand it goes on");
});

it("asks for a file that the page has not, by name and hash, refuses another with the reason, and takes what is dropped", async () => {
  const own = join(folder, "own.img"), other = join(folder, "other.img"), bytes = readFileSync(TOUR);
  bytes.write("my own", bytes.length - 12);
  writeFileSync(own, bytes);
  bytes.write("altered", bytes.length - 12);
  writeFileSync(other, bytes);
  const { trk } = await record(own, "own");
  await page.goto(site.address);
  await page.waitForSelector("[data-guest=popf]");
  await page.getByLabel("Open files").setInputFiles([trk, other]);
  const dialog = page.getByRole("dialog", { name: "Replay own.trk" });
  await dialog.getByText("One file is missing.").waitFor();
  expect(await dialog.innerText()).toMatch(/own\.img\s+Floppy A.*sha256:[0-9a-f]{64}/s);
  await dialog.getByRole("alert").filter({ hasText: "other.img is none of these files: it is as long, and has another content (sha256:" }).waitFor();
  expect(await dialog.getByRole("button", { name: "Replay" }).isDisabled()).toBe(true);
  expect(await violations()).toEqual([]);
  await dropFiles(page, [own]);
  await dialog.getByText("✓ given").waitFor();
  await dialog.getByRole("button", { name: "Replay" }).click();
  await recording().getByText("all is the same").waitFor();
});

it("replays what the command line has recorded, and leaves it for a person who takes over", async () => {
  const trk = join(folder, "line.trk");
  // It ends at the limit, which is an exit code of its own.
  spawnSync(process.execPath, ["bin/trapscope", "run", "tour", "--technique", "trap", "--max-instructions", "1e6", "--record", trk, "--serial", "none"], { stdio: "ignore" });
  await page.goto(`${site.address}?view=debug`);
  await page.waitForSelector("[data-guest=popf]");
  await dropFiles(page, [trk]);
  const dialog = page.getByRole("dialog", { name: "Replay line.trk" });
  await dialog.getByText("recorded without checkpoints").waitFor();
  await dialog.getByRole("button", { name: "Replay" }).click();
  await recording().getByText("all is the same").waitFor();
  await page.getByRole("tab", { name: "Time", exact: true }).click();
  await page.getByRole("region", { name: "Past" }).getByRole("button", { name: "Back 1,000" }).click();
  await recording().getByText("Replaying line.trk").waitFor();
  await typeOnSerial(page, "x");
  await page.getByText("The recording brings its own input").waitFor();
  await recording().getByRole("button", { name: "Take over here" }).click();
  await recording().getByText("was left after").waitFor();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await waitForSerial(page, "t86>");
  await typeOnSerial(page, "echo mine\n");
  await waitForSerial(page, "\nmine");
});

it("says of a damaged recording that it is, and of one whose end is not reached what differs", async () => {
  const { trk } = await record(TOUR, "sound");
  const text = readFileSync(trk, "utf8"), cut = join(folder, "cut.trk"), wrong = join(folder, "wrong.trk");
  writeFileSync(cut, text.slice(0, text.length >> 1));
  writeFileSync(wrong, text.replace(/"traps":(\d+)/, (_, traps: string) => `"traps":${Number(traps) + 1}`));
  await page.goto(site.address);
  await page.waitForSelector("[data-guest=popf]");
  await dropFiles(page, [cut]);
  const problem = page.getByRole("dialog", { name: "cut.trk cannot be replayed" });
  await problem.getByText("cut off or damaged").waitFor();
  await problem.getByRole("button", { name: "Close" }).click();
  await dropFiles(page, [wrong]);
  await page.getByRole("dialog", { name: "Replay wrong.trk" }).getByRole("button", { name: "Replay" }).click();
  await recording().getByText("otherwise than it was recorded").waitFor();
  expect(await recording().innerText()).toMatch(/traps \d+ for \d+/);
  await expect.poll(() => page.locator("footer [role=status]").innerText()).toBe("the recording has ended");
});
