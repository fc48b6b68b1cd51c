// What the documents name exists: paths, methods, and the import table.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

/** Every page for people, with the places in it that links can name (GitHub's rule). */
const PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "guests/README.md", ...readdirSync("docs", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md")).map((name) => join("docs", name))];

function places(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title!.toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}

/** Links of a page that lead nowhere. */
function broken(page: string, text: string): string[] {
  return [...text.replace(/```[\s\S]*?```/g, "").replace(/`[^`\n]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!).filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path = "", place] = link.split("#"), file = path === "" ? page : join(dirname(page), path);
    return !existsSync(file) || (place !== undefined && !places(readFileSync(file, "utf8")).includes(place));
  });
}

describe("links", () => {
  it.each(PAGES)("of %s lead somewhere", (page) => {
    expect(broken(page, readFileSync(page, "utf8"))).toEqual([]);
  });

  it("are found broken, by file and by place", () => {
    expect(broken("README.md", "[a](docs/none.md) [b](docs/cli.md#nowhere) [c](docs/cli.md) [d](#two-commands)\n```\n[e](none)\n```")).toEqual(["docs/none.md", "docs/cli.md#nowhere"]);
  });
});

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
