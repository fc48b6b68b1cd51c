// Works through what was asked of the guest: the script's steps, then --expect.
// A step that must wait does so in guest time; the director stops the machine at the instant at which it goes on.

import type { GuestScreen } from "../machine/guest-screen.ts";
import { applyInput, type OutsideInput } from "../machine/input-log.ts";
import type { Machine } from "../machine/machine.ts";
import { Expectation, type StreamName } from "./expectation.ts";
import type { ScriptStep } from "./script.ts";

/** Text that is shown for 50 ms is seen. */
const LOOK_EVERY_NS = 20e6;

export class Director {
  private readonly machine: Machine;
  private readonly screen: GuestScreen;
  private readonly steps: readonly ScriptStep[];
  private at = 0;
  private expectation: Expectation | null = null;
  private resumeAtNs = 0;
  private seenVersion = -1;
  private readonly timer: ReturnType<Machine["clock"]["timer"]>;

  /** Takes what a script gives to the guest. */
  private readonly give: (input: OutsideInput) => void;

  constructor(machine: Machine, screen: GuestScreen, steps: readonly ScriptStep[], give: (input: OutsideInput) => void = (input) => applyInput(machine, input)) {
    this.machine = machine;
    this.give = give;
    this.screen = screen;
    this.steps = steps;
    this.timer = machine.clock.timer((nowNs) => this.wake(nowNs));
    this.proceed();
  }

  /** Something was asked for. */
  get asked(): boolean {
    return this.steps.length > 0;
  }

  get done(): boolean {
    return this.asked && this.at === this.steps.length;
  }

  /** The text that is waited for, or null. */
  get awaited(): string | null {
    return this.steps.slice(this.at).flatMap((step) => (step.kind === "expect" ? [step.quoted.text] : []))[0] ?? null;
  }

  /** A byte that the guest sent. */
  byte(stream: StreamName, value: number): void {
    const { expectation } = this;
    if (!expectation || expectation.met) return;
    expectation.byte(stream, value);
    if (expectation.met) this.machine.stop();
  }

  /** Guest time: looks at the screen, ends a wait. */
  private wake(nowNs: number): void {
    if (this.expectation) {
      this.look();
      if (this.expectation.met) this.machine.stop();
      else this.timer.arm(nowNs + LOOK_EVERY_NS);
    } else this.machine.stop();
  }

  /** Looks at the text screen. */
  look(): void {
    const { screen, expectation } = this;
    if (!expectation || screen.version === this.seenVersion) return;
    this.seenVersion = screen.version;
    const rows = screen.wholeRows();
    if (rows) expectation.rows(rows);
  }

  /** Between two slices of the machine: takes the steps that need not wait. */
  proceed(): void {
    while (this.at < this.steps.length) {
      const step = this.steps[this.at]!;
      if (!this.take(step)) return;
      this.at++;
    }
    this.timer.cancel();
  }

  /** False: the step waits. */
  private take(step: ScriptStep): boolean {
    const { machine } = this;
    switch (step.kind) {
      case "expect": {
        if (!this.expectation) {
          this.expectation = new Expectation(step.quoted.text, step.quoted.bytes, this.screen.wholeRows());
          this.seenVersion = this.screen.version;
          this.timer.arm(machine.clock.nowNs() + LOOK_EVERY_NS);
        }
        if (!this.expectation.met) return false;
        this.expectation = null;
        return true;
      }
      case "wait": {
        const now = machine.clock.nowNs();
        if (this.resumeAtNs === 0) {
          this.resumeAtNs = now + step.seconds * 1e9;
          this.timer.arm(this.resumeAtNs);
        }
        if (now < this.resumeAtNs) return false;
        this.resumeAtNs = 0;
        return true;
      }
      case "send":
        this.give({ kind: "serial", port: 0, bytes: [...step.bytes] });
        return true;
      case "keys":
        this.give({ kind: "text", text: step.text });
        return true;
      case "technique":
        this.give({ kind: "technique", technique: step.technique, ring: machine.supervisor.ring, set: machine.supervisor.set });
        return true;
    }
  }
}
