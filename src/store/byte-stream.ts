// Bytes that the guest sends, kept for a terminal that is attached later.

const KEPT_BYTES = 512 * 1024;

export type ByteListener = (bytes: Uint8Array) => void;

export class ByteStream {
  private chunks: Uint8Array[] = [];
  private kept = 0;
  private readonly listeners = new Set<ByteListener>();
  private readonly clearListeners = new Set<() => void>();
  /** Bytes since the last clear. */
  total = 0;

  append(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.kept += bytes.length;
    this.total += bytes.length;
    while (this.kept > KEPT_BYTES && this.chunks.length > 1) this.kept -= this.chunks.shift()?.length ?? 0;
    for (const listener of this.listeners) listener(bytes);
  }

  /** Gives the listener what is kept, then everything that comes. */
  attach(listener: ByteListener): () => void {
    for (const chunk of this.chunks) listener(chunk);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  clear(): void {
    this.chunks = [];
    this.kept = 0;
    this.total = 0;
    for (const listener of this.clearListeners) listener();
  }

  onClear(listener: () => void): () => void {
    this.clearListeners.add(listener);
    return () => this.clearListeners.delete(listener);
  }
}
