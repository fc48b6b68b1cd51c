// What crosses between a program and the worker that has its machine.

import { ImageError, RefusedError, UsageError } from "../base/errors.ts";
import type { MachineEvents, PortHook, TrapscopeMachine } from "./machine.ts";
import type { CreateOptions } from "./options.ts";

/** Bytes in memory, a Blob or File, or anything that can be read in parts; `read` may take its time, the machine waits. */
export type WorkerBytes = Uint8Array | Blob | { readonly size: number; read(offset: number, into: Uint8Array): void | Promise<void> };

/** Stands for a medium that the program's thread reads. */
export interface RemoteSource {
  readonly remote: number;
  readonly size: number;
}

/** CreateOptions with other media. */
export type OptionsWith<Media> = Omit<CreateOptions, "drives" | "kernel" | "initrd" | "multiboot" | "modules"> & {
  readonly drives?: { readonly [Drive in keyof NonNullable<CreateOptions["drives"]>]?: Media };
  readonly kernel?: Media;
  readonly initrd?: Media;
  readonly multiboot?: Media;
  readonly modules?: readonly Media[];
};

/** The same options with each medium exchanged. */
export function withMedia<From, To>(options: OptionsWith<From>, exchange: (medium: From) => To): OptionsWith<To> {
  const { drives, kernel, initrd, multiboot, modules, ...rest } = options;
  return {
    ...rest,
    ...(drives ? { drives: Object.fromEntries(Object.entries(drives).flatMap(([drive, medium]) => (medium === undefined ? [] : [[drive, exchange(medium as From)]]))) } : {}),
    ...(kernel !== undefined ? { kernel: exchange(kernel) } : {}),
    ...(initrd !== undefined ? { initrd: exchange(initrd) } : {}),
    ...(multiboot !== undefined ? { multiboot: exchange(multiboot) } : {}),
    ...(modules ? { modules: modules.map(exchange) } : {}),
  };
}

export type CallName = Exclude<keyof TrapscopeMachine, "on" | "onSerial" | "onFrame" | "memory" | "stop" | "dispose"> | "memory.read" | "memory.write" | "removePort";

export type ToWorker =
  | { readonly type: "create"; readonly options: OptionsWith<Uint8Array | RemoteSource>; readonly mailbox: SharedArrayBuffer }
  | { readonly type: "call"; readonly id: number; readonly name: CallName; readonly values: readonly unknown[] }
  | { readonly type: "listen"; readonly name: keyof MachineEvents; readonly wanted: boolean };

export type FromWorker =
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: SentError }
  | { readonly type: "events"; readonly name: keyof MachineEvents; readonly events: readonly unknown[] }
  /** The machine stands still until the mailbox has the answer. */
  | { readonly type: "question"; readonly question: Question };

/** Id of the answer to `create`. */
export const CREATED = 0;

/** Which ports of a hook ask the program, by the number that it goes by. */
export interface SentHook extends Pick<PortHook, "first" | "last"> {
  readonly hook: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

export type Question =
  | { readonly kind: "read"; readonly source: number; readonly offset: number; readonly length: number }
  | { readonly kind: "portRead"; readonly hook: number; readonly port: number; readonly width: 1 | 2 | 4 }
  | { readonly kind: "portWrite"; readonly hook: number; readonly port: number; readonly width: 1 | 2 | 4; readonly value: number };

/** An error as data: a class of one's own does not survive the way between two threads. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly eip?: number;
  readonly bytes?: Uint8Array;
}

export function sentError(error: unknown): SentError {
  if (error instanceof RefusedError) return { name: error.name, message: error.message, eip: error.eip, bytes: error.bytes };
  return error instanceof Error ? { name: error.name, message: error.message } : { name: "Error", message: String(error) };
}

export function receivedError({ name, message, eip, bytes }: SentError): Error {
  switch (name) {
    case "ImageError": return new ImageError(message);
    case "UsageError": return new UsageError(message);
    case "RefusedError": return new RefusedError(message, eip ?? 0, bytes ?? new Uint8Array(0));
    default: return Object.assign(new Error(message), { name });
  }
}
