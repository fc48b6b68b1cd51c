// Runs a bundled guest under `trap` and prints what leaked: the instruction, what the guest saw, what is true.
import { readFileSync } from "node:fs";
import { createMachine } from "trapscope";

const image = readFileSync(new URL("../public/guests/popf.img", import.meta.url));
const machine = await createMachine({ memoryBytes: 16 << 20, technique: "trap", drives: { fda: image } });
machine.onSerial(0, (byte) => process.stdout.write(String.fromCharCode(byte)));

const { reason } = machine.run({ instructions: 5e6 });
const { traps, leaks } = machine.counters();
console.log(`${reason}: ${Object.values(traps.byInstruction).reduce((sum, n) => sum + n, 0)} traps`);
for (const record of machine.traps()) if (record.kind === "leak") console.log(`leak: ${record.text} at ${record.eip.toString(16)}: ${record.effect}`);
if (leaks.byInstruction.POPF !== 1) throw new Error("POPF did not leak");
machine.dispose();
