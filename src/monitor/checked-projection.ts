// A projection that is made anew after each exit and compared: H follows from V, the tables and the policy alone, so what `renew` and
// `resume` leave as it was must be what a whole projection gives, to the last word. For machines that check themselves.
import { CONTEXT_BYTES } from "../isa/state-layout.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { Projection } from "./projection.ts";

export class CheckedProjection extends Projection {
  override renew(): boolean {
    if (!super.renew()) return false;
    this.compare("renewed");
    return true;
  }

  override resume(): void {
    super.resume();
    this.compare("resumed");
  }

  private compare(how: string): void {
    const before = contextWords(this.cpu);
    this.forgetSegments();
    this.project();
    const after = contextWords(this.cpu);
    const differs = after.findIndex((word, i) => word !== before[i]);
    if (differs >= 0) {
      const [was, is] = [before, after].map((words) => (words[differs]! >>> 0).toString(16));
      throw new Error(`projection: H is ${how} with ${was} at byte ${differs * 4} of its context, and V gives ${is}`);
    }
  }
}

/** A copy of H's registers. */
function contextWords({ state, h }: Cpu): Int32Array {
  return state.i32.slice(h.context.base >> 2, (h.context.base + CONTEXT_BYTES) >> 2);
}
