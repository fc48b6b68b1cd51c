// What the documents name exists: paths, methods, and the import table.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { IMPORT_RULES } from "./import-rules.ts";

const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...readdirSync("docs/decisions").map((name) => join("docs/decisions", name))];
const FOLDERS = "src|test|guests|docs|scripts|bin|public";
/** What a build or a person makes, not the repository. */
const MADE = /^(dist|\.cache)\//;

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile() && /\.tsx?$/.test(e.name)).map((e) => join(e.parentPath, e.name));
}

/** Class -> text of the file that declares it. */
const CLASSES = new Map(
  files("src").flatMap((file) => {
    const text = readFileSync(file, "utf8");
    return [...text.matchAll(/^export (?:abstract )?class (\w+)/gm)].map((match) => [match[1]!, text] as const);
  }),
);

function missing(text: string): string[] {
  const paths = [...text.matchAll(new RegExp(`(?:\`|\\]\\()((?:${FOLDERS})/[\\w./-]*)`, "g"))].map((match) => match[1]!).filter((path) => !MADE.test(path) && !existsSync(path));
  const methods = [...text.matchAll(/`([A-Z]\w+)\.(\w+)(?:\([^`]*\))?`/g)].filter(([, name, method]) => {
    const declared = CLASSES.get(name!);
    if (declared === undefined) return !(name! in globalThis);
    return !new RegExp(`^ +(?:readonly |private |protected |static |get |set |async )*${method}\\b`, "m").test(declared);
  });
  return [...paths, ...methods.map(([, name, method]) => `${name}.${method}`)];
}

describe("documents", () => {
  it.each(DOCUMENTS)("%s names only what exists", (document) => {
    expect(missing(readFileSync(document, "utf8"))).toEqual([]);
  });

  it("catches a path and a method that do not exist", () => {
    expect(missing("see `src/cpu/no-such-file.ts`, `Core.run` and `Core.fly`, [this](docs/none.md)")).toEqual(["src/cpu/no-such-file.ts", "docs/none.md", "Core.fly"]);
  });

  it("ARCHITECTURE.md has the import table that is enforced", () => {
    const rows = [...readFileSync("ARCHITECTURE.md", "utf8").matchAll(/^\| (?!folder )([\w-]+) \| ([\w ]*)\|$/gm)].map((match) => [match[1]!, match[2]!.trim().split(" ").filter(Boolean)] as const);
    expect(Object.fromEntries(rows)).toEqual(IMPORT_RULES);
  });
});
