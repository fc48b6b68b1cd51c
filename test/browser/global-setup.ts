// The page is built once for all files of the suite.

import type { TestProject } from "vitest/node";
import { buildPage, removePage } from "./build-page.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the built page lies. */
    readonly builtPage: string;
  }
}

export async function setup(project: TestProject): Promise<() => void> {
  const directory = await buildPage();
  project.provide("builtPage", directory);
  return () => removePage(directory);
}
