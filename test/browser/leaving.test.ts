// A tab that is left: the machine in it is kept, and goes on when the same image is opened again. A real profile, a real page that closes.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { consoleText, dropFiles, launchProfile, site, typeOnSerial, useSite, waitForSerial } from "./chromium.ts";

const TOUR = resolve("public/guests/tour.img");
let profile: string, context: BrowserContext;

useSite();
beforeAll(async () => {
  profile = mkdtempSync(join(tmpdir(), "trapscope-leaving-"));
  context = await launchProfile(profile);
});
afterAll(async () => {
  await context?.close();
  if (profile) rmSync(profile, { recursive: true });
});

async function open(image = TOUR): Promise<Page> {
  const page = await context.newPage();
  await page.setViewportSize({ width: 1500, height: 950 });
  await page.goto(`${site.address}?view=debug`);
  await page.waitForSelector("[data-guest=popf]");
  await dropFiles(page, [image]);
  await waitForSerial(page, "t86>");
  return page;
}

it("keeps its machine when it is closed, and the next one goes on with it", async () => {
  const first = await open();
  await typeOnSerial(first, "echo before leaving");
  await first.keyboard.press("Enter");
  await waitForSerial(first, "\nbefore leaving");
  await first.close({ runBeforeUnload: true });
  await expect.poll(() => first.isClosed()).toBe(true);

  const second = await open();
  await second.getByRole("tab", { name: "Time", exact: true }).click();
  await second.getByText(/The machine as it was on/).waitFor();
  await second.getByRole("button", { name: "Continue from there" }).click();
  await second.getByText("restored, and paused").waitFor();
  await second.getByRole("button", { name: "Run", exact: true }).click();
  // What stood there when it was left.
  await second.getByRole("tab", { name: "Screen" }).click();
  await expect.poll(() => consoleText(second)).toContain("before leaving");

  // A visitor finds it at once, with what it ran under, and goes on with it by one press.
  await second.goto(site.address);
  const kept = second.getByRole("region", { name: "Go on where you were" });
  await kept.getByText("tour.img").waitFor();
  expect(await kept.innerText()).toMatch(/emulate · .*\d/);
  await kept.getByRole("button", { name: "Go on", exact: true }).click();
  // A bundled guest by its content: nothing is asked for.
  await second.locator("footer [role=status]", { hasText: /running|waiting/ }).waitFor();
  await second.getByRole("tab", { name: "Screen" }).click();
  await expect.poll(() => consoleText(second)).toContain("before leaving");

  // It is listed with what else is kept, and can be deleted once nobody uses it.
  await second.goto(site.address);
  await kept.waitFor();
  await second.getByRole("button", { name: "Storage" }).click();
  const machines = second.getByRole("region", { name: "Machines" });
  await machines.getByText("tour.img").waitFor();
  await machines.getByRole("button", { name: "Delete…" }).press("Enter");
  await machines.getByRole("button", { name: "Really delete" }).press("Enter");
  await machines.getByText("When a tab is left").waitFor();
  await second.getByRole("button", { name: "Close", exact: true }).click();
  expect(await kept.count()).toBe(0);
});

it("asks for the image of a machine that is neither bundled nor kept, and refuses another", async () => {
  const own = join(profile, "own.img"), other = join(profile, "other.img"), bytes = readFileSync(TOUR);
  bytes.write("my own", bytes.length - 12);
  writeFileSync(own, bytes);
  bytes.write("altered", bytes.length - 12);
  writeFileSync(other, bytes);
  const first = await open(own);
  await typeOnSerial(first, "echo on my own");
  await first.keyboard.press("Enter");
  await waitForSerial(first, "\non my own");
  await first.close({ runBeforeUnload: true });
  await expect.poll(() => first.isClosed()).toBe(true);

  const second = await context.newPage();
  await second.goto(site.address);
  const kept = second.getByRole("region", { name: "Go on where you were" });
  await kept.getByRole("button", { name: "Go on", exact: true }).click();
  const dialog = second.getByRole("dialog", { name: "Go on with own.img" });
  await dialog.getByText("One file is missing.").waitFor();
  await dialog.getByLabel("Files of this machine").setInputFiles(other);
  await dialog.getByRole("alert").filter({ hasText: "other.img is none of these files: it is as long, and has another content" }).waitFor();
  await dialog.getByLabel("Files of this machine").setInputFiles(own);
  await dialog.getByRole("button", { name: "Go on", exact: true }).click();
  await second.locator("footer [role=status]", { hasText: /running|waiting/ }).waitFor();
  await second.getByRole("tab", { name: "Screen" }).click();
  await expect.poll(() => consoleText(second)).toContain("on my own");
  // And is forgotten where a visitor lands.
  await second.goto(site.address);
  await kept.getByRole("button", { name: "Discard…" }).click();
  await kept.getByRole("button", { name: "Really discard" }).click();
  await expect.poll(() => kept.count()).toBe(0);
});
