// The built library in a browser, from a page of somebody else's: in the page's thread and in a worker.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ISOLATION, launchChromium, serve, type Site } from "./chromium.ts";
import { Firefox, HAS_FIREFOX } from "./firefox.ts";

const PROGRAM = `(async () => {
  const { createMachine, createMachineWorker } = await import("./index.js");
  const image = await (await fetch("popf.img")).blob();
  const options = { memoryBytes: 16 << 20, technique: "trap" };
  const there = await createMachineWorker({ ...options, drives: { fda: image } });
  const leaks = [];
  there.on("record", (record) => record.kind === "leak" && leaks.push(record.instruction));
  const outcome = await there.run({ instructions: 5e6 });
  const here = await createMachine({ ...options, drives: { fda: new Uint8Array(await image.arrayBuffer()) } });
  here.run({ instructions: 5e6 });
  const result = { reason: outcome.reason, leaks, same: here.stateHash() === (await there.stateHash()) };
  await there.dispose();
  return result;
})()`;

let built: string, site: Site;
beforeAll(async () => {
  // Inside the project, so that the bundle finds its packages.
  built = mkdtempSync(join("node_modules", ".trapscope-"));
  execFileSync(process.execPath, ["scripts/build-node.mjs", built]);
  copyFileSync("public/guests/popf.img", join(built, "popf.img"));
  writeFileSync(join(built, "index.html"), "<!doctype html><title>a page</title>");
  site = await serve(resolve(built), ISOLATION);
});
afterAll(() => {
  site?.close();
  if (built) rmSync(built, { recursive: true });
});

describe("the library", () => {
  const expected = { reason: "halted", leaks: ["PUSHF", "POPF"], same: true };

  it("runs in Chromium, in the page and in a worker", async () => {
    const browser = await launchChromium(), page = await browser.newPage();
    await page.goto(site.address);
    expect(await page.evaluate(PROGRAM)).toEqual(expected);
    await browser.close();
  });

  it.skipIf(!HAS_FIREFOX)("runs in Firefox", async () => {
    const firefox = await Firefox.launch();
    await firefox.open(site.address);
    expect(await firefox.evaluate(PROGRAM)).toEqual(expected);
    await firefox.close();
  });
});
