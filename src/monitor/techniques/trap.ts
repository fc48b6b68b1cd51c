// T1, trap and emulate with the holes of the x86 open: the guest's kernel in ring 1 or 3, and nothing done about what does
// not trap there.

import { Deprivileged } from "../deprivileged.ts";
import type { TechniqueDefinition } from "./technique.ts";

export const trap: TechniqueDefinition = { id: "trap", create: (monitor) => new Deprivileged(monitor, monitor.ring, { resumes: true }) };
