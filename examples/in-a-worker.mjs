// The machine in a worker: this thread stays free while the guest runs, and hears of each leak as a typed event.
import { readFileSync } from "node:fs";
import { createMachineWorker } from "trapscope";

const image = readFileSync(new URL("../public/guests/popf.img", import.meta.url));
const machine = await createMachineWorker({ memoryBytes: 16 << 20, technique: "trap", drives: { fda: image } });
machine.on("record", ({ kind, text, effect }) => kind === "leak" && console.log(`leak: ${text}: ${effect}`));

let turns = 0;
const turning = setInterval(() => turns++, 1);
const { reason } = await machine.run({ instructions: 5e6 });
clearInterval(turning);
console.log(`${reason}; this thread ${turns > 0 ? "went on" : "stood still"} meanwhile`);
await machine.dispose();
