// Where returns and indirect jumps and calls go, as translated code notes it on its way out: first nothing is known and each of them
// leaves; when enough have, the region is made again, with the places that were seen inside. What was seen is a guess that the code
// compares with the truth.

import { CELL_TARGETS } from "../wasm/region-result.ts";

const CELL_BYTES = 4 + CELL_TARGETS * 4;
const CELLS = 4096;
/** The first word says that there is news. */
export const TARGET_CELLS_BYTES = 4 + CELLS * CELL_BYTES;
/** When code is hot, and when it is worth making again: see TranslationOptions. */
export interface Heat {
  readonly threshold: number;
  readonly promotion: number;
}

/**
 * Exits that are noted before the region is made again for the first time, for the second ...
 * Of returns more: the calls that lead to them, if they can be followed, make them inner ones first.
 */
const rounds = ({ threshold, promotion }: Heat) => [threshold / 16, promotion / 2, promotion * 5];
const returnRounds = ({ threshold, promotion }: Heat) => [threshold * 2, promotion, promotion * 5];
const MOST_TARGETS = 16;

export interface Site {
  readonly cell: number;
  /** How many exits it takes, round by round. */
  readonly rounds: readonly number[];
  round: number;
  /** Distances from the transfer, in the order in which they were learned. */
  readonly targets: number[];
}

export class TargetCells {
  private readonly i32: Int32Array;
  /** Address of the word that is set when a cell comes to 0. */
  readonly news: number;
  private readonly begin: number;
  private readonly sites = new Map<string, Site>();
  private readonly rounds: readonly number[];
  private readonly returnRounds: readonly number[];
  private used = 0;

  /** `begin`: TARGET_CELLS_BYTES of the shared memory. */
  constructor(i32: Int32Array, begin: number, heat: Heat) {
    this.i32 = i32;
    this.news = begin;
    this.begin = begin + 4;
    this.rounds = rounds(heat);
    this.returnRounds = returnRounds(heat);
  }

  /** Whether any cell has come to 0 since the last call. */
  takeNews(): boolean {
    const word = this.news >> 2;
    const hasNews = this.i32[word] !== 0;
    this.i32[word] = 0;
    return hasNews;
  }

  private exits(site: Site): number {
    return Math.ceil(site.rounds[site.round] ?? 0);
  }

  forget(): void {
    this.sites.clear();
    this.used = 0;
  }

  /** `key` names the transfer and the calls that led to it. */
  targets(key: string): readonly number[] {
    return this.sites.get(key)?.targets ?? [];
  }

  /** The site, where there is something to learn yet. */
  site(key: string, isReturn: boolean): Site | null {
    let site = this.sites.get(key);
    if (!site) {
      if (this.used === CELLS) return null;
      site = { cell: this.begin + this.used++ * CELL_BYTES, rounds: isReturn ? this.returnRounds : this.rounds, round: 0, targets: [] };
      this.sites.set(key, site);
      this.i32[site.cell >> 2] = this.exits(site);
    }
    return site.round < site.rounds.length && site.targets.length < MOST_TARGETS ? site : null;
  }

  /** It has noted enough, and there is something to learn yet. */
  isFull(site: Site): boolean {
    return site.round < site.rounds.length && this.i32[site.cell >> 2] === 0;
  }

  /** Takes what the cell has noted; `at`: the transfer's own place, to which the cell's distances are not relative. True: there is news. */
  learn(site: Site, at: number): boolean {
    const { i32 } = this;
    const before = site.targets.length;
    const word = site.cell >> 2;
    const count = new Map<number, number>();
    for (let n = 0; n < CELL_TARGETS; n++) {
      const distance = (i32[word + 1 + n]! - at) | 0;
      count.set(distance, (count.get(distance) ?? 0) + 1);
    }
    for (const [distance] of [...count].sort(([, x], [, y]) => y - x)) {
      if (!site.targets.includes(distance) && site.targets.length < MOST_TARGETS) site.targets.push(distance);
    }
    site.round++;
    i32[word] = this.exits(site);
    return site.targets.length > before;
  }
}
