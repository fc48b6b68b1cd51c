// Generated modules and what they call: each imports just the functions that its code names, because every import costs time when the
// module is instantiated, and the modules of a start-up are many and small.
//
// A shared function is a module of its own: generated when the first code calls it, and imported by all code after that.

import type { HelperName, SharedFunction } from "../isa/builder.ts";
import { HELPER_ARITY } from "../isa/record-layout.ts";
import { type ImportedFunctions, SLOW_PATHS, type SlowPath } from "./backend.ts";
import { I32, ModuleWriter, type ValueType, valueType } from "./encoder.ts";
import { emitShared } from "./shared-function.ts";

type Callable = (...args: number[]) => unknown;

/** A module under construction. */
export interface LinkedUnit {
  readonly module: ModuleWriter;
  /** What its code may call. */
  readonly functions: ImportedFunctions;
  instantiate(): WebAssembly.Instance;
}

export class ModuleLinker {
  private readonly memoryPages: number;
  private readonly environment: Readonly<Record<string, WebAssembly.ImportValue>>;
  private readonly shared = new Map<SharedFunction, WebAssembly.ExportValue>();

  constructor(memory: WebAssembly.Memory, memoryPages: number, slow: Readonly<Record<SlowPath, Callable>>, helpers: Readonly<Record<HelperName, Callable>>) {
    this.memoryPages = memoryPages;
    this.environment = { memory, ...slow, ...helpers };
  }

  begin(): LinkedUnit {
    const module = new ModuleWriter(this.memoryPages);
    const used = new Map<SharedFunction, number>();
    const imported = new Map<string, number>();
    const name = (called: string, params: readonly ValueType[], results: readonly ValueType[]): number => {
      let index = imported.get(called);
      if (index === undefined) {
        index = module.importFunction(called, params, results);
        imported.set(called, index);
      }
      return index;
    };
    const words = (count: number) => new Array<ValueType>(count).fill(I32);
    const functions: ImportedFunctions = {
      slow: (path) => name(path, words(SLOW_PATHS[path][0]), SLOW_PATHS[path][1] ? [I32] : []),
      helper: (helper) => name(helper, words(HELPER_ARITY[helper]), [I32]),
      shared: (definition) => {
        let index = used.get(definition);
        if (index === undefined) {
          this.sharedCode(definition);
          index = name(definition.name, definition.params.map(valueType), definition.results.map(valueType));
          used.set(definition, index);
        }
        return index;
      },
    };
    const instantiate = (): WebAssembly.Instance => {
      const shared = Object.fromEntries([...used.keys()].map((definition) => [definition.name, this.shared.get(definition)!]));
      return new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { ...this.environment, ...shared } });
    };
    return { module, functions, instantiate };
  }

  helper(name: HelperName): WebAssembly.ImportValue {
    return this.environment[name]!;
  }

  /** The code of a shared function. */
  sharedCode(definition: SharedFunction): WebAssembly.ExportValue {
    let code = this.shared.get(definition);
    if (code === undefined) {
      const { module, functions, instantiate } = this.begin();
      const body = emitShared(definition, functions);
      module.addFunction(module.type(definition.params.map(valueType), definition.results.map(valueType)), body, definition.name);
      code = instantiate().exports[definition.name]!;
      this.shared.set(definition, code);
    }
    return code;
  }
}
