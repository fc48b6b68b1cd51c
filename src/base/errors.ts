// Errors that a person can act on. A host bug is any other exception.

/** A disk image, kernel or ROM that cannot be used. `message` says what it is and what to do. CLI exit code 4. */
export class ImageError extends Error {
  override readonly name = "ImageError";
}

/** A wrong flag, name or value given by a person or a caller. CLI exit code 1. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A technique that cannot represent what the guest did. CLI exit code 6. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly eip: number;
  readonly bytes: Uint8Array;
  constructor(message: string, eip: number, bytes: Uint8Array) {
    super(message);
    this.eip = eip;
    this.bytes = bytes;
  }
}

/** The end of an exhaustive `switch`. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
