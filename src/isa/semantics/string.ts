// String instructions. SDM Vol. 1, "String Instructions"; Vol. 2, "REP/REPE/REPZ/REPNE/REPNZ" and each instruction.
//
// Every element commits its registers before the next begins, so that a fault in element k leaves those of k-1 and the
// instruction resumes where it stopped. CMPS and SCAS set flags once, after the last element: a fault leaves them as they were
// before the instruction, as the manual asks. A long repetition suspends itself now and then so that interrupts are seen.

import type { Builder, Instance, Variable, Width } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { EAX, ECX, EDI, EDX, EFLAGS_DF, EFLAGS_SHARED, EFLAGS_TF, ES, ESI } from "../state-layout.ts";

/** Elements, or calls of the accelerator, before a repetition suspends itself. */
const STEPS_PER_SLICE = 4096;
/** Bytes moved by the accelerator that count as one step: 1 MB in a slice. */
const BYTES_PER_STEP_SHIFT = 8;
/** Below this count a call of the accelerator costs more than it saves. */
const WORTH_ACCELERATING = 16;
/** When the accelerator can do nothing, it is not asked again for 0, 1, 3, 7 ... and at most so many elements. */
const LONGEST_PAUSE = 255;

/** Kinds of `bulkString`. */
const BULK = { movs: 0, stos: 1, ins: 2, outs: 3, lods: 4 } as const;

/** ESI or EDI, or SI or DI, by the address size. */
function pointer<V>(b: Builder<V>, i: Instance<V>, register: number): V {
  return b.let(b.gpr(register, i.addressSize));
}

/** The step from one element to the next: its width, negative if DF is set. */
function stride<V>(b: Builder<V>, width: Width): V {
  return b.let(b.select(b.and(b.get(EFLAGS_SHARED), b.imm(EFLAGS_DF)), b.imm(-width), b.imm(width)));
}

/** Writes only the low half with 16-bit addresses, which wraps the pointer at 64 KB. */
function advance<V>(b: Builder<V>, i: Instance<V>, register: number, from: V, by: V): void {
  b.setGpr(register, i.addressSize, b.add(from, by));
}

interface StringWork<V> {
  readonly width: Width;
  /** What precedes the first element, if there is one. */
  prepare?(): void;
  /** One element: its accesses, then its pointer registers. */
  element(): void;
  /** REPE, REPNE: whether this element lets the next one follow. */
  continues?(): V;
  /** What follows the last element of a slice. */
  conclude?(): void;
  /** Kind for `bulkString`. */
  readonly bulk?: number;
}

/** Runs `work` once, or as often as the REP prefix says. */
function run<V>(b: Builder<V>, i: Instance<V>, work: StringWork<V>): void {
  if (i.rep === 0) {
    work.prepare?.();
    work.element();
    work.conclude?.();
    return;
  }
  b.when(b.gpr(ECX, i.addressSize), () => {
    work.prepare?.();
    const traced = b.and(b.get(EFLAGS_SHARED), b.imm(EFLAGS_TF));
    // A traced repetition traps after every element.
    const steps = b.variable(b.select(traced, b.imm(1), b.imm(STEPS_PER_SLICE)));
    const accelerate = work.bulk === undefined ? null : accelerator(b, i, work.bulk, work.width, steps);
    const more = b.variable(b.imm(1));
    b.loop(() => {
      const single = (): void => {
        work.element();
        b.setGpr(ECX, i.addressSize, b.sub(b.gpr(ECX, i.addressSize), b.imm(1)));
        steps.set(b.sub(steps.get(), b.imm(1)));
      };
      if (accelerate) b.when(b.eqz(accelerate()), single);
      else single();
      const left = b.ne(b.gpr(ECX, i.addressSize), b.imm(0));
      more.set(work.continues ? b.and(left, work.continues()) : left);
      return b.and(more.get(), b.gtS(steps.get(), b.imm(0)));
    });
    work.conclude?.();
    b.when(more.get(), () => b.suspend());
  });
}

/** Yields a function that lets the helper do as many elements as it can; its value is 0 if the element loop must do one. */
function accelerator<V>(b: Builder<V>, i: Instance<V>, kind: number, width: Width, steps: Variable<V>): () => V {
  const pause = b.variable(b.imm(0));
  const nextPause = b.variable(b.imm(0));
  const done = b.variable(b.imm(0));
  return () => {
    done.set(b.imm(0));
    const paused = b.let(pause.get());
    const worth = b.and(b.geU(b.gpr(ECX, i.addressSize), b.imm(WORTH_ACCELERATING)), b.gtS(steps.get(), b.imm(1)));
    b.when(
      paused,
      () => pause.set(b.sub(paused, b.imm(1))),
      () =>
        b.when(worth, () => {
          // -1: the source segment is the one that the instruction names.
          done.set(b.helper("bulkString", b.imm(kind), b.imm(width), b.imm(i.addressSize), b.imm(-1)));
          b.when(
            done.get(),
            () => {
              nextPause.set(b.imm(0));
              const bytes = b.mul(done.get(), b.imm(width));
              steps.set(b.sub(b.sub(steps.get(), b.imm(1)), b.shrU(bytes, b.imm(BYTES_PER_STEP_SHIFT))));
            },
            () => {
              const elements = b.let(nextPause.get());
              pause.set(elements);
              nextPause.set(b.and(b.or(b.shl(elements, b.imm(1)), b.imm(1)), b.imm(LONGEST_PAUSE)));
            },
          );
        }),
    );
    return done.get();
  };
}

export const movs: Semantics = (b, i) => {
  const width = i.width;
  const step = stride(b, width);
  run(b, i, {
    width,
    bulk: BULK.movs,
    element: () => {
      const from = pointer(b, i, ESI);
      const to = pointer(b, i, EDI);
      b.store(ES, to, width, b.load("operand", from, width));
      advance(b, i, ESI, from, step);
      advance(b, i, EDI, to, step);
    },
  });
};

export const stos: Semantics = (b, i) => {
  const width = i.width;
  const step = stride(b, width);
  const value = b.let(b.gpr(EAX, width));
  run(b, i, {
    width,
    bulk: BULK.stos,
    element: () => {
      const to = pointer(b, i, EDI);
      b.store(ES, to, width, value);
      advance(b, i, EDI, to, step);
    },
  });
};

export const lods: Semantics = (b, i) => {
  const width = i.width;
  const step = stride(b, width);
  run(b, i, {
    width,
    bulk: BULK.lods,
    element: () => {
      const from = pointer(b, i, ESI);
      b.setGpr(EAX, width, b.load("operand", from, width));
      advance(b, i, ESI, from, step);
    },
  });
};

/** The comparing instructions: `element` yields the two operands that are compared. */
function compare<V>(b: Builder<V>, i: Instance<V>, element: () => readonly [V, V]): void {
  const width = i.width;
  const x = b.variable(b.imm(0));
  const y = b.variable(b.imm(0));
  run(b, i, {
    width,
    element: () => {
      const [first, second] = element();
      x.set(first);
      y.set(second);
    },
    continues: () => (i.rep === 1 ? b.eq(x.get(), y.get()) : b.ne(x.get(), y.get())),
    conclude: () => b.flags("sub", width, x.get(), y.get(), b.let(b.sub(x.get(), y.get()))),
  });
}

export const cmps: Semantics = (b, i) => {
  const step = stride(b, i.width);
  compare(b, i, () => {
    const from = pointer(b, i, ESI);
    const to = pointer(b, i, EDI);
    const x = b.let(b.load("operand", from, i.width));
    const y = b.let(b.load(ES, to, i.width));
    advance(b, i, ESI, from, step);
    advance(b, i, EDI, to, step);
    return [x, y];
  });
};

export const scas: Semantics = (b, i) => {
  const step = stride(b, i.width);
  const accumulator = b.let(b.gpr(EAX, i.width));
  compare(b, i, () => {
    const to = pointer(b, i, EDI);
    const y = b.let(b.load(ES, to, i.width));
    advance(b, i, EDI, to, step);
    return [accumulator, y];
  });
};

/** The destination is proved before the port is read: a device gives its data once. */
export const ins: Semantics = (b, i) => {
  const width = i.width;
  const step = stride(b, width);
  const port = b.let(b.gpr(EDX, 2));
  run(b, i, {
    width,
    bulk: BULK.ins,
    prepare: () => void b.helper("checkIo", port, b.imm(width)),
    element: () => {
      const to = pointer(b, i, EDI);
      b.probeWrite(ES, to, width);
      b.store(ES, to, width, b.helper("portIn", port, b.imm(width)));
      advance(b, i, EDI, to, step);
    },
  });
};

export const outs: Semantics = (b, i) => {
  const width = i.width;
  const step = stride(b, width);
  const port = b.let(b.gpr(EDX, 2));
  run(b, i, {
    width,
    bulk: BULK.outs,
    prepare: () => void b.helper("checkIo", port, b.imm(width)),
    element: () => {
      const from = pointer(b, i, ESI);
      b.helper("portOut", port, b.imm(width), b.load("operand", from, width));
      advance(b, i, ESI, from, step);
    },
  });
};
