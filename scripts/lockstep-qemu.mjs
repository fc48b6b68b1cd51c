// Runs random system programs on our processor and QEMU's in lock step. `--help` lists the options.
import { importTypeScript } from "./import-typescript.mjs";

const { main } = await importTypeScript("test/lockstep/main.ts");
process.exitCode = await main();
