// How a run can end, and the exit code that says so.

import type { RunReason } from "../machine/machine.ts";

export const EXIT_CODES = {
  expected: 0,
  "power-off": 0,
  "exit-success": 0,
  /** A person ended it at the terminal. */
  quit: 0,
  usage: 1,
  "triple-fault": 2,
  "exit-failure": 2,
  halted: 2,
  "ended-early": 2,
  /** Of a lab. */
  "check-failed": 2,
  timeout: 3,
  "instruction-limit": 3,
  "image-refused": 4,
  divergence: 5,
  "technique-refused": 6,
  defect: 7,
} as const;
export type OutcomeName = keyof typeof EXIT_CODES;

export interface Outcome {
  readonly outcome: OutcomeName;
  /** One sentence. */
  readonly reason: string;
  /** Where it is not the one of the outcome: a signal. */
  readonly exitCode?: number;
}

/** The end of a guest that nothing was asked of; null: it has not ended. */
export function endOf(reason: RunReason, exitValue: number | null): Outcome | null {
  switch (reason) {
    case "power-off":
      return { outcome: "power-off", reason: "The guest switched the machine off." };
    case "exit-port":
      return exitValue === 0
        ? { outcome: "exit-success", reason: "The guest ended itself with 0 at port F4h." }
        : { outcome: "exit-failure", reason: `The guest ended itself with ${exitValue} at port F4h.` };
    case "triple-fault":
      return { outcome: "triple-fault", reason: "The guest's processor shut down: a fault while it delivered a double fault." };
    case "halted":
      return { outcome: "halted", reason: "The guest waits in HLT for an interrupt that cannot come." };
    default:
      return null;
  }
}
