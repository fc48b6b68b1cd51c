// Code of a shared function (isa/builder.ts): Builder over its arguments alone.

import type { SharedFunction } from "../isa/builder.ts";
import { type ImportedFunctions, WasmBuilder } from "./backend.ts";
import { type ByteWriter, valueType } from "./encoder.ts";
import { constant, type Expression, FunctionEmitter } from "./function-emitter.ts";

class SharedFunctionBuilder extends WasmBuilder {
  protected leaveWithFault(): void { refuse(); }
  protected announce(): void { refuse(); }
  protected operandIsSegmented(): boolean { return refuse(); }
  protected operandSegmentOffset(): Expression { return refuse(); }
  jump(): void { refuse(); }
  jumpRelative(): void { refuse(); }
  suspend(): void { refuse(); }
}

function refuse(): never {
  throw new Error("a shared function has no instruction");
}

/** Locals and instructions, for the code section. */
export function emitShared(definition: SharedFunction, imports: ImportedFunctions): ByteWriter {
  const fn = new FunctionEmitter(definition.params.map(valueType));
  const none = constant(0);
  const b = new SharedFunctionBuilder(fn, imports, none, none, none);
  const results = definition.body(b, definition.params.map((kind, n) => fn.parameter(n, valueType(kind))));
  for (const result of results) fn.emit(result);
  return fn.finish();
}
