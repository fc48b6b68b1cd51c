// The import table holds, there are no cycles, and the test itself can fail.

import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from "dependency-cruiser";
import { describe, expect, it } from "vitest";
import { DETERMINISTIC, IMPORT_RULES, NODE_FOLDERS, PACKAGES } from "./import-rules.ts";

const TESTS = "\\.test\\.tsx?$|/(describe-device|ide-test-host|vga-test-modes)\\.ts$";

function ruleSet(root: string): IFlattenedRuleSet {
  const forbidden: NonNullable<IFlattenedRuleSet["forbidden"]> = [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  ];
  for (const [folder, allowed] of Object.entries(IMPORT_RULES)) {
    const here = folder === "index" ? `^${root}/index\\.ts$` : `^${root}/${folder}/`;
    const others = Object.keys(IMPORT_RULES).filter((name) => name !== folder && !allowed.includes(name));
    forbidden.push({
      name: `${folder}-imports`, severity: "error",
      from: { path: here, pathNot: TESTS }, to: { path: others.map((name) => (name === "index" ? `^${root}/index\\.ts$` : `^${root}/${name}/`)) },
    });
    const packages = PACKAGES[folder];
    forbidden.push({
      name: `${folder}-packages`, severity: "error",
      from: { path: here, pathNot: TESTS },
      to: { path: "node_modules", ...(packages ? { pathNot: "node_modules/(react|react-dom|@xterm|fflate|xz-decompress|@types)/" } : {}) },
    });
    if (!NODE_FOLDERS.includes(folder)) {
      forbidden.push({ name: `${folder}-node`, severity: "error", from: { path: here, pathNot: TESTS }, to: { dependencyTypes: ["core"] } });
    }
  }
  return { forbidden };
}

async function violations(directory: string, root: string): Promise<{ modules: number; found: string[] }> {
  const { output } = await cruise(
    [root],
    { baseDir: directory, ruleSet: ruleSet(root), validate: true, tsPreCompilationDeps: true, doNotFollow: { path: "node_modules" }, enhancedResolveOptions: { extensions: [".ts", ".tsx"] } },
  );
  const result = output as ICruiseResult;
  return {
    modules: result.modules.filter((m) => m.source.startsWith(root)).length,
    found: result.summary.violations.map((v) => `${v.rule.name}: ${v.from} -> ${v.to}`),
  };
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("imports", () => {
  it("follow the table, without cycles", async () => {
    const { modules, found } = await violations(process.cwd(), "src");
    // A tool that cannot read TypeScript finds no modules and no violations.
    expect(modules).toBeGreaterThan(sources("src").length * 0.9);
    expect(found).toEqual([]);
  });

  it("a planted violation is caught", async () => {
    const directory = mkdtempSync(join(tmpdir(), "imports-"));
    try {
      mkdirSync(join(directory, "src/base"), { recursive: true });
      mkdirSync(join(directory, "src/monitor"));
      writeFileSync(join(directory, "src/monitor/vmm.ts"), "export const vmm = 1;\n");
      writeFileSync(join(directory, "src/base/bits.ts"), 'import { vmm } from "../monitor/vmm.ts";\nimport { readFileSync } from "node:fs";\nexport const bits = [vmm, readFileSync];\n');
      const { found } = await violations(directory, "src");
      expect(found).toContain("base-imports: src/base/bits.ts -> src/monitor/vmm.ts");
      expect(found.some((text) => text.startsWith("base-node:"))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("every folder of src is in the table", () => {
    const folders = readdirSync("src", { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name);
    expect(folders.filter((name) => !(name in IMPORT_RULES))).toEqual([]);
  });
});

describe("determinism", () => {
  it("nothing below worker/ reads a clock or a random source", () => {
    const offenders: string[] = [];
    for (const folder of DETERMINISTIC) {
      let files: string[];
      try {
        files = sources(join("src", folder));
      } catch {
        continue;
      }
      for (const file of files) {
        if (/\.test\.tsx?$/.test(file)) continue;
        const code = readFileSync(file, "utf8").replace(/\/\/.*$/gm, "");
        if (/\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\bcrypto\./.test(code)) offenders.push(file);
      }
    }
    expect(offenders).toEqual([]);
  });
});
