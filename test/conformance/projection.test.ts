// What the silicon holds follows from V alone: a machine that checks itself makes it anew wherever the monitor renews only what changes
// all the time, and compares (checked-projection.ts). Random guests pass; a projection that forgets something is found.
import { afterEach, expect, it } from "vitest";
import { CONTEXT_H, EFLAGS_SYSTEM, EFLAGS_VIP } from "../../src/isa/state-layout.ts";
import { Projection } from "../../src/monitor/projection.ts";
import { createPrng } from "../support/prng.ts";
import { TrapBench } from "../support/trap-bench.ts";
import { randomSteps, type Step } from "../support/trap-guest.ts";
import type { ModelOptions } from "../support/trap-model.ts";

const GUESTS = 30, STEPS = 30;
const { renew, resume } = Projection.prototype;

/** Turns over CR0.MP, CR4.DE and bits of DR2: what the silicon's registers follow besides segments and flags. */
const changes = (a: number): Step => ({
  name: "changes",
  apply: () => {},
  emit: (to) => {
    const register = to.mode === "pm32" ? [] : [0x66];
    const through = (read: readonly number[], bit: number, write: readonly number[]) => {
      to.raw(...read, ...register, 0x83, 0xf0, bit, ...write);
    };
    if (a & 1) through([0x0f, 0x20, 0xc0], 2, [0x0f, 0x22, 0xc0]);
    if (a & 2) through([0x0f, 0x20, 0xe0], 8, [0x0f, 0x22, 0xe0]);
    if (a & 4) through([0x0f, 0x21, 0xd0], 0x55, [0x0f, 0x23, 0xd0]);
    to.raw(0xfa);
  },
});

afterEach(() => {
  Object.assign(Projection.prototype, { renew, resume });
});

function runGuests(): void {
  const bench = new TrapBench();
  for (let seed = 1; seed <= GUESTS; seed++) {
    const random = createPrng(seed);
    const flag = () => random.oneIn(2);
    const options: ModelOptions = {
      mode: random.pick(["real", "pm32", "pm16"]), ring: random.pick([1, 3]), umip: flag(), tsd: flag(), tricks: flag(), vme: flag(), ne: flag(), ldt: flag(),
    };
    bench.boot({ options, start: { if: flag(), iopl: random.below(4) }, steps: randomSteps(random, options, STEPS).flatMap((step) => [step, changes(random.below(8))]) });
    bench.run();
  }
}

it("renews what a whole projection gives", () => {
  let renewed = 0, resumed = 0, projected = 0;
  Projection.prototype.renew = function (this: Projection) {
    const done = renew.call(this);
    if (done) renewed++;
    else projected++;
    return done;
  };
  Projection.prototype.resume = function (this: Projection) {
    resume.call(this);
    resumed++;
  };
  runGuests();
  expect(renewed).toBeGreaterThan(GUESTS);
  expect(resumed).toBeGreaterThan(GUESTS * 2);
  expect(projected).toBeGreaterThan(GUESTS);
});

it("is found out where it forgets what changes all the time", () => {
  Projection.prototype.resume = function (this: Projection) {
    const { i32 } = this.cpu.state, word = CONTEXT_H >> 2, flags = i32[word + (EFLAGS_SYSTEM.offset >> 2)]!;
    resume.call(this);
    i32[word + (EFLAGS_SYSTEM.offset >> 2)] = flags ^ EFLAGS_VIP;
  };
  expect(runGuests).toThrow("projection: H is resumed with");
});

it("is found out where it looks for too little of V", () => {
  Projection.prototype.renew = function (this: Projection) {
    this.cpu.switchContext("H");
    return true;
  };
  expect(runGuests).toThrow("projection: H is renewed with");
});
