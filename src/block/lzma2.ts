// LZMA2 as the .xz file format uses it: chunks of at most 2 MB, each stored as it is or coded with LZMA (a range coder over adaptive
// bits, matches into a dictionary). Igor Pavlov's "LZMA specification" and "The .xz File Format", filter 21h.

import { ImageError } from "../base/errors.ts";

/** What one chunk unpacks to at most. */
const LARGEST_CHUNK = 1 << 21;
const STATES = 12;
const POSITIONS = 16;
const PROBABILITY_ONE_HALF = 1024;
const LENGTH_LOW = 2, LENGTH_MID = LENGTH_LOW + POSITIONS * 8, LENGTH_HIGH = LENGTH_MID + POSITIONS * 8, LENGTH_SIZE = LENGTH_HIGH + 256;
const SHORTEST_MATCH = 2;
const LITERAL_CONTEXT = 0x300;

/** Places of the adaptive bits in one array. */
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITIONS;
const IS_REP0 = IS_REP + STATES;
const IS_REP1 = IS_REP0 + STATES;
const IS_REP2 = IS_REP1 + STATES;
const IS_REP0_LONG = IS_REP2 + STATES;
const DISTANCE_SLOT = IS_REP0_LONG + STATES * POSITIONS;
const DISTANCE_SPECIAL = DISTANCE_SLOT + 4 * 64;
const DISTANCE_ALIGN = DISTANCE_SPECIAL + 128;
const MATCH_LENGTH = DISTANCE_ALIGN + 16;
const REP_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERALS = REP_LENGTH + LENGTH_SIZE;

const bad = (what: string): ImageError => new ImageError(`The xz stream is damaged: ${what}. Copy or download it again.`);

export class Lzma2Decoder {
  /** The dictionary, and behind it room for one chunk. */
  readonly #window: Uint8Array;
  readonly #dictionaryBytes: number;
  /** Next byte to write, and how many before it may be referred to. */
  #position = 0;
  #filled = 0;
  #bits = new Uint16Array(LITERALS);
  #lc = 0;
  #lpMask = 0;
  #pbMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  #needs: "dictionary" | "properties" | "state" | "nothing" = "dictionary";
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #range = 0;
  #code = 0;

  constructor(dictionaryBytes: number) {
    this.#dictionaryBytes = dictionaryBytes;
    this.#window = new Uint8Array(dictionaryBytes + LARGEST_CHUNK + POSITIONS);
  }

  /** A chunk that is stored. The result is valid until the next call. */
  copy(bytes: Uint8Array, resetDictionary: boolean): Uint8Array {
    this.#begin(resetDictionary);
    if (resetDictionary) this.#needs = "properties";
    this.#window.set(bytes, this.#position);
    return this.#end(bytes.length);
  }

  /** A coded chunk. `reset`: 0 nothing, 1 the state, 2 and new properties, 3 and the dictionary. */
  decode(input: Uint8Array, length: number, reset: number, properties: number): Uint8Array {
    this.#begin(reset === 3);
    if (reset >= 2) this.#setProperties(properties);
    else if (this.#needs === "properties" || (this.#needs === "state" && reset === 0)) throw bad("a chunk relies on a state that was never set");
    if (reset >= 1) this.#resetState();
    this.#needs = "nothing";
    if (input.length < 5 || input[0] !== 0) throw bad("the range coder does not begin with zero");
    this.#input = input;
    this.#at = 5;
    this.#range = 0xffff_ffff;
    this.#code = ((input[1] << 24) | (input[2] << 16) | (input[3] << 8) | input[4]) >>> 0;
    this.#run(this.#position + length);
    if (this.#at !== input.length || this.#code !== 0) throw bad("a chunk does not end where it should");
    return this.#end(length);
  }

  #begin(resetDictionary: boolean): void {
    if (resetDictionary) {
      this.#position = 0;
      this.#filled = 0;
    } else if (this.#needs === "dictionary") {
      throw bad("it does not begin with a fresh dictionary");
    }
    if (this.#position + LARGEST_CHUNK <= this.#window.length) return;
    // Positions select contexts by their lowest four bits, which must stay.
    const shift = (this.#position - this.#dictionaryBytes) & ~(POSITIONS - 1);
    this.#window.copyWithin(0, shift, this.#position);
    this.#position -= shift;
  }

  #end(length: number): Uint8Array {
    const from = this.#position;
    this.#position += length;
    this.#filled = Math.min(this.#dictionaryBytes, this.#filled + length);
    return this.#window.subarray(from, this.#position);
  }

  #setProperties(properties: number): void {
    if (properties >= 9 * 5 * 5) throw bad("impossible properties");
    this.#lc = properties % 9;
    const lp = Math.floor(properties / 9) % 5;
    if (this.#lc + lp > 4) throw bad("impossible properties");
    this.#lpMask = (1 << lp) - 1;
    this.#pbMask = (1 << Math.floor(properties / 45)) - 1;
    this.#bits = new Uint16Array(LITERALS + (LITERAL_CONTEXT << (this.#lc + lp)));
  }

  #resetState(): void {
    this.#bits.fill(PROBABILITY_ONE_HALF);
    this.#state = this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
  }

  // ---- the range coder

  #normalize(): void {
    if (this.#range >= 0x100_0000) return;
    if (this.#at >= this.#input.length) throw bad("a chunk ends too early");
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#input[this.#at++]) >>> 0;
  }

  #bit(index: number): number {
    const bits = this.#bits;
    const probability = bits[index];
    const bound = (this.#range >>> 11) * probability;
    let bit: number;
    if (this.#code < bound) {
      this.#range = bound;
      bits[index] = probability + ((2048 - probability) >>> 5);
      bit = 0;
    } else {
      this.#range -= bound;
      this.#code -= bound;
      bits[index] = probability - (probability >>> 5);
      bit = 1;
    }
    if (this.#range < 0x100_0000) this.#normalize();
    return bit;
  }

  #tree(base: number, depth: number): number {
    let symbol = 1;
    for (let i = 0; i < depth; i++) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol - (1 << depth);
  }

  #reverseTree(base: number, depth: number): number {
    let symbol = 1, value = 0;
    for (let i = 0; i < depth; i++) {
      const bit = this.#bit(base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  #direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit) this.#code -= this.#range;
      value = (value << 1) | bit;
      this.#normalize();
    }
    return value >>> 0;
  }

  // ---- LZMA

  #length(base: number, position: number): number {
    if (this.#bit(base) === 0) return this.#tree(base + LENGTH_LOW + position * 8, 3);
    if (this.#bit(base + 1) === 0) return 8 + this.#tree(base + LENGTH_MID + position * 8, 3);
    return 16 + this.#tree(base + LENGTH_HIGH, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(DISTANCE_SLOT + Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const direct = (slot >> 1) - 1;
    const base = ((2 | (slot & 1)) << direct) >>> 0;
    if (slot < 14) return base + this.#reverseTree(DISTANCE_SPECIAL + base - slot, direct);
    return base + this.#direct(direct - 4) * 16 + this.#reverseTree(DISTANCE_ALIGN, 4);
  }

  #literal(position: number): number {
    const previous = this.#filled > 0 || position > this.#position ? this.#window[position - 1] : 0;
    const context = ((position & this.#lpMask) << this.#lc) + (previous >> (8 - this.#lc));
    const base = LITERALS + LITERAL_CONTEXT * context;
    let symbol = 1;
    if (this.#state >= 7) {
      let match = this.#window[position - this.#rep0 - 1];
      do {
        const expected = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#bit(base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol & 0xff;
  }

  #run(end: number): void {
    const window = this.#window, start = this.#position;
    let position = start;
    while (position < end) {
      const posState = position & this.#pbMask;
      const state = this.#state;
      if (this.#bit(IS_MATCH + state * POSITIONS + posState) === 0) {
        window[position] = this.#literal(position);
        position++;
        this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      let length: number;
      if (this.#bit(IS_REP + state) === 0) {
        length = this.#length(MATCH_LENGTH, posState);
        this.#rep3 = this.#rep2;
        this.#rep2 = this.#rep1;
        this.#rep1 = this.#rep0;
        this.#rep0 = this.#distance(length);
        this.#state = state < 7 ? 7 : 10;
      } else {
        if (this.#bit(IS_REP0 + state) === 0) {
          if (this.#bit(IS_REP0_LONG + state * POSITIONS + posState) === 0) {
            this.#state = state < 7 ? 9 : 11;
            this.#copyMatch(window, position, 1, end);
            position++;
            continue;
          }
        } else {
          this.#rotate(state);
        }
        length = this.#length(REP_LENGTH, posState);
        this.#state = state < 7 ? 8 : 11;
      }
      this.#copyMatch(window, position, length + SHORTEST_MATCH, end);
      position += length + SHORTEST_MATCH;
    }
  }

  #rotate(state: number): void {
    let distance: number;
    if (this.#bit(IS_REP1 + state) === 0) {
      distance = this.#rep1;
    } else {
      if (this.#bit(IS_REP2 + state) === 0) {
        distance = this.#rep2;
      } else {
        distance = this.#rep3;
        this.#rep3 = this.#rep2;
      }
      this.#rep2 = this.#rep1;
    }
    this.#rep1 = this.#rep0;
    this.#rep0 = distance;
  }

  #copyMatch(window: Uint8Array, position: number, length: number, end: number): void {
    const distance = this.#rep0 + 1;
    if (distance > this.#dictionaryBytes || distance > this.#filled + position - this.#position) throw bad("a match refers to what was never there");
    if (position + length > end) throw bad("a match is longer than its chunk");
    for (let i = 0, from = position - distance; i < length; i++) window[position + i] = window[from + i];
  }
}
