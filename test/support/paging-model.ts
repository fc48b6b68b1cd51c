// A second reading of SDM Vol. 3A, "Paging": 64-bit entries as big integers, one level after the other, no TLB, nothing fast. Judges src/cpu/paging.ts.

const P = 1n << 0n, RW = 1n << 1n, US = 1n << 2n, A = 1n << 5n, D = 1n << 6n, PS = 1n << 7n, XD = 1n << 63n;
const MAXPHYADDR = 36n;
const PHYSICAL_MASK = (1n << MAXPHYADDR) - 1n;

export interface PagingMode {
  readonly paging: boolean;
  readonly pae: boolean;
  readonly pse: boolean;
  readonly wp: boolean;
  readonly nxe: boolean;
  readonly cr3: number;
  /** PAE: the four pointers that were latched. */
  readonly pdptes: readonly bigint[];
}

export interface Access {
  readonly write: boolean;
  readonly user: boolean;
  readonly fetch: boolean;
}

/** A physical address, or the error code of the #PF. */
export type Translation = { readonly physical: bigint } | { readonly error: number };

export class PagingModel {
  readonly ram: Uint8Array;
  mode: PagingMode;

  constructor(ram: Uint8Array, mode: PagingMode) {
    this.ram = ram;
    this.mode = mode;
  }

  /** Nothing answers beyond the RAM. */
  read(physical: bigint, bytes: number): bigint {
    let value = 0n;
    for (let i = 0; i < bytes; i++) {
      const at = physical + BigInt(i);
      value |= BigInt(at < BigInt(this.ram.length) ? this.ram[Number(at)]! : 0xff) << BigInt(8 * i);
    }
    return value;
  }

  write(physical: bigint, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) {
      const at = physical + BigInt(i);
      if (at < BigInt(this.ram.length)) this.ram[Number(at)] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
  }

  translate(linear: number, access: Access): Translation {
    const address = BigInt(linear >>> 0);
    if (!this.mode.paging) return { physical: address };
    return this.mode.pae ? this.translatePae(address, access) : this.translate32(address, access);
  }

  private translate32(linear: bigint, access: Access): Translation {
    const { pse, cr3 } = this.mode;
    const pdeAt = (BigInt(cr3 >>> 0) & 0xffff_f000n) + (linear >> 22n) * 4n;
    const pde = this.read(pdeAt, 4);
    if ((pde & P) === 0n) return this.fault(access, { present: false });
    if (pse && pde & PS) {
      // Table 4-4: bits 20:13 are address bits 39:32 as far as the processor has them, the others up to 21 are reserved.
      const reserved = bits(21n, MAXPHYADDR - 19n);
      if (pde & reserved) return this.fault(access, { present: true, reserved: true });
      if (!this.allowed([pde], access)) return this.fault(access, { present: true });
      this.write(pdeAt, 4, pde | A | (access.write ? D : 0n));
      return { physical: (pde & bits(31n, 22n)) + (((pde & bits(16n, 13n)) >> 13n) << 32n) + (linear & bits(21n, 0n)) };
    }
    const pteAt = (pde & bits(31n, 12n)) + ((linear >> 12n) & 0x3ffn) * 4n;
    const pte = this.read(pteAt, 4);
    if ((pte & P) === 0n) return this.fault(access, { present: false });
    if (!this.allowed([pde, pte], access)) return this.fault(access, { present: true });
    this.write(pdeAt, 4, pde | A);
    this.write(pteAt, 4, this.read(pteAt, 4) | A | (access.write ? D : 0n));
    return { physical: (pte & bits(31n, 12n)) + (linear & 0xfffn) };
  }

  private translatePae(linear: bigint, access: Access): Translation {
    const pdpte = this.mode.pdptes[Number(linear >> 30n)]!;
    if ((pdpte & P) === 0n) return this.fault(access, { present: false });
    const pdeAt = (pdpte & PHYSICAL_MASK & ~0xfffn) + ((linear >> 21n) & 0x1ffn) * 8n;
    const pde = this.read(pdeAt, 8);
    if ((pde & P) === 0n) return this.fault(access, { present: false });
    const always = bits(62n, MAXPHYADDR) | (this.mode.nxe ? 0n : XD);
    if (pde & (pde & PS ? always | bits(20n, 13n) : always)) return this.fault(access, { present: true, reserved: true });
    if (pde & PS) {
      if (!this.allowed([pde], access)) return this.fault(access, { present: true });
      this.write(pdeAt, 8, pde | A | (access.write ? D : 0n));
      return { physical: (pde & bits(MAXPHYADDR - 1n, 21n)) + (linear & bits(20n, 0n)) };
    }
    const pteAt = (pde & PHYSICAL_MASK & ~0xfffn) + ((linear >> 12n) & 0x1ffn) * 8n;
    const pte = this.read(pteAt, 8);
    if ((pte & P) === 0n) return this.fault(access, { present: false });
    if (pte & always) return this.fault(access, { present: true, reserved: true });
    if (!this.allowed([pde, pte], access)) return this.fault(access, { present: true });
    this.write(pdeAt, 8, pde | A);
    this.write(pteAt, 8, this.read(pteAt, 8) | A | (access.write ? D : 0n));
    return { physical: (pte & bits(MAXPHYADDR - 1n, 12n)) + (linear & 0xfffn) };
  }

  /** Section 4.6, "Access Rights", for the entries that control the translation. */
  private allowed(entries: readonly bigint[], { write, user, fetch }: Access): boolean {
    const writable = entries.every((entry) => entry & RW), userMode = entries.every((entry) => entry & US);
    const executable = !(this.mode.pae && this.mode.nxe) || entries.every((entry) => (entry & XD) === 0n);
    if (user && !userMode) return false;
    if (fetch && !executable) return false;
    return !write || writable || (!user && !this.mode.wp);
  }

  /** Figure 4-12. */
  private fault(access: Access, { present, reserved = false }: { present: boolean; reserved?: boolean }): Translation {
    const fetch = access.fetch && this.mode.pae && this.mode.nxe;
    return { error: (present ? 1 : 0) | (access.write ? 2 : 0) | (access.user ? 4 : 0) | (reserved ? 8 : 0) | (fetch ? 16 : 0) };
  }
}

/** Bits high..low set. */
function bits(high: bigint, low: bigint): bigint {
  return high < low ? 0n : ((1n << (high - low + 1n)) - 1n) << low;
}
