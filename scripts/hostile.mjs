// Lets hostile guests loose on the machine for as long as one likes. `--help` lists the options.
import { importTypeScript } from "./import-typescript.mjs";

const { main } = await importTypeScript("test/hostile/main.ts");
process.exitCode = main();
