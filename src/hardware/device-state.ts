// Saving and loading a device's registers, kept as one plain object of numbers, strings, booleans,
// byte arrays, arrays and nested objects.

import type { DeviceState } from "./device.ts";

/** A copy that shares nothing with the original. */
export function copyState<T>(value: T): T {
  if (value instanceof Uint8Array) return value.slice() as T;
  if (Array.isArray(value)) return value.map(copyState) as T;
  if (typeof value === "object" && value !== null) {
    const copy: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(value)) copy[key] = copyState(inner);
    return copy as T;
  }
  return value;
}

/**
 * A copy of `state` with exactly the fields of `like` (a fresh register set), each of the same kind.
 * A snapshot is untrusted input: a missing field or one of another kind throws. A list of no element or one stands for
 * any number of its kind; longer lists and byte arrays have a fixed length.
 */
export function checkedState<T extends object>(device: string, like: T, state: DeviceState): T {
  return checkedValue(device, like, state) as T;
}

function checkedValue(path: string, like: unknown, value: unknown): unknown {
  if (like instanceof Uint8Array) {
    if (!(value instanceof Uint8Array) || value.length !== like.length) throw new Error(`snapshot: ${path} is not ${like.length} bytes`);
    return value.slice();
  }
  if (Array.isArray(like)) {
    if (!Array.isArray(value) || (like.length > 1 && value.length !== like.length)) throw new Error(`snapshot: ${path} is not such a list`);
    return value.map((item, i) => (like.length === 0 ? copyState(item) : checkedValue(`${path}[${i}]`, like[Math.min(i, like.length - 1)], item)));
  }
  if (typeof like === "object" && like !== null) {
    if (typeof value !== "object" || value === null) throw new Error(`snapshot: ${path} is not a record`);
    const copy: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(like)) copy[key] = checkedValue(`${path}.${key}`, inner, (value as Record<string, unknown>)[key]);
    return copy;
  }
  if (typeof value !== typeof like) throw new Error(`snapshot: ${path} is not a ${typeof like}`);
  return value;
}
