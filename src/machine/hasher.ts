// A 64-bit hash of words and plain values, for "is this the same state": not against forgers.

const PRIME_1 = 0x9e37_79b1, PRIME_2 = 0x85eb_ca6b;

export class Hasher {
  private low = 0x2545_f491 | 0;
  private high = 0x1b56_c4e9 | 0;

  words(words: Int32Array): void {
    let { low, high } = this;
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      low = Math.imul(low ^ word, PRIME_1);
      high = Math.imul((high << 13) | (high >>> 19), PRIME_2) + (word ^ low) | 0;
    }
    this.low = low;
    this.high = high;
  }

  /** Plain values, Uint8Arrays among them; the order of fields does not count. */
  value(value: unknown): void {
    if (value instanceof Uint8Array) {
      this.words(Int32Array.of(value.length));
      for (let at = 0; at < value.length; at += 4) this.words(Int32Array.of(value[at]! | (value[at + 1]! << 8) | (value[at + 2]! << 16) | (value[at + 3]! << 24)));
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
        this.text(name);
        this.value(inner);
      }
    } else this.text(`${typeof value} ${String(value)}`);
  }

  private text(text: string): void {
    this.words(Int32Array.from({ length: text.length + 1 }, (_, i) => (i === 0 ? text.length : text.charCodeAt(i - 1))));
  }

  digest(): string {
    return [this.high, this.low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** The digest of one value. */
export function hashOf(value: unknown): string {
  const hasher = new Hasher();
  hasher.value(value);
  return hasher.digest();
}
