// The labs, in the order of their numbers.

import { accelerator } from "./accelerator.ts";
import { breakpoints } from "./breakpoints.ts";
import { changingCode } from "./changing-code.ts";
import { criticalSections } from "./critical-sections.ts";
import { interruptFlag } from "./interrupt-flag.ts";
import type { Lab } from "./lab.ts";
import { nowhereToHide } from "./nowhere-to-hide.ts";
import { pageTables } from "./page-tables.ts";
import { realMode } from "./real-mode.ts";
import { systemTables } from "./system-tables.ts";
import { twoIrets } from "./two-irets.ts";
import { virtualFlag } from "./virtual-flag.ts";
import { whichRing } from "./which-ring.ts";

export const LABS: readonly Lab[] = [interruptFlag, systemTables, criticalSections, breakpoints, changingCode, whichRing, twoIrets, virtualFlag, realMode, pageTables, nowhereToHide, accelerator];

export function labOf(id: string): Lab | undefined {
  return LABS.find((lab) => lab.id.toLowerCase() === id.toLowerCase());
}
