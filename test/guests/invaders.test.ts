// GRUB Invaders as a multiboot image, played: its ship follows the arrow keys while they are held, SPACE fires, P pauses. In virtual time,
// so that a run repeats. Booting it from its floppy, by both firmwares, is in real-guests.test.ts.
// TRAPSCOPE_GUESTS names the folder of images; without it this suite is skipped.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { builtinBios, builtinVgaBios } from "../../src/firmware/bios.ts";
import { multibootBootPlan } from "../../src/firmware/boot-plan.ts";
import { GuestScreen } from "../../src/machine/guest-screen.ts";
import { Machine } from "../../src/machine/machine.ts";

const GUESTS = process.env.TRAPSCOPE_GUESTS ?? "";
const image = (name: string): string => join(GUESTS, name);
const IMAGE = "invaders.exec";
const MEMORY_BYTES = 32 << 20;
/** 50 ms of guest time. */
const SLICE = 5_000_000;
const LONGEST_BOOT = 60;

class Player {
  private readonly machine: Machine;
  private readonly screen: GuestScreen;

  constructor() {
    const bootPlan = multibootBootPlan({ image: readFileSync(image(IMAGE)), commandLine: "", memoryBytes: MEMORY_BYTES, modules: [] });
    this.machine = new Machine({
      memoryBytes: MEMORY_BYTES, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, firmware: { bios: builtinBios(), vgabios: builtinVgaBios() }, bootPlan,
    });
    this.screen = new GuestScreen(this.machine.pc);
  }

  play(seconds: number): void {
    for (let n = 0; n < seconds * 20; n++) this.machine.run(SLICE);
  }

  get rows(): readonly string[] {
    return (this.screen.rows() ?? []).map((row) => row.trimEnd());
  }

  boot(): void {
    for (let waited = 0; waited < LONGEST_BOOT; waited++) {
      this.play(1);
      if (this.shipColumn >= 0) return;
    }
    throw new Error(`no game after ${LONGEST_BOOT} s:\n${this.rows.join("\n")}`);
  }

  /** Where the ship is, which is drawn as "/ \" in the lowest row that has anything. */
  get shipColumn(): number {
    return this.rows.findLast((row) => row !== "")?.indexOf("/ \\") ?? -1;
  }

  /** A shot is a "|". */
  get shots(): number {
    return this.rows.filter((row) => row.includes("|")).length;
  }

  hold(key: string, seconds: number): void {
    this.machine.pc.keyboard.press(key);
    this.play(seconds);
    this.machine.pc.keyboard.release(key);
  }
}

describe.skipIf(GUESTS === "" || !existsSync(image(IMAGE)))("GRUB Invaders (TRAPSCOPE_GUESTS)", () => {
  it("is playable", () => {
    const player = new Player();
    player.boot();
    const middle = player.shipColumn;
    player.hold("ArrowLeft", 0.3);
    const left = player.shipColumn;
    expect(left).toBeLessThan(middle);
    player.play(0.3);
    expect(player.shipColumn).toBe(left);
    player.hold("ArrowRight", 0.6);
    expect(player.shipColumn).toBeGreaterThan(left);
    expect(player.shots).toBe(0);
    player.hold("Space", 0.1);
    expect(player.shots).toBeGreaterThan(0);
    player.hold("KeyP", 0.1);
    const paused = player.rows;
    expect(paused.some((row) => row.includes("PAUSE"))).toBe(true);
    player.play(1);
    expect(player.rows).toEqual(paused);
    player.hold("KeyP", 0.1);
    player.play(0.5);
    expect(player.rows.some((row) => row.includes("PAUSE"))).toBe(false);
    expect(player.rows).not.toEqual(paused);
  });
});
