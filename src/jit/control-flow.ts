// From a graph of basic blocks to nested loops, as WebAssembly has no other backward branch.
//
// A strongly connected part of the graph becomes a loop; the edges back to its entries are taken away, and what is left of it
// is arranged in the same way. Within a level everything is in topological order, so that all other branches go forward. A loop
// with more than one entry (irreducible code, or one that is also entered from outside) begins with a choice among them.

export interface LoopNode {
  readonly entries: readonly number[];
  readonly body: readonly FlowNode[];
}
/** A basic block by number, or a loop. */
export type FlowNode = number | LoopNode;

export function entriesOf(node: FlowNode): readonly number[] {
  return typeof node === "number" ? [node] : node.entries;
}

/** Arranges what is reachable from `entries`. */
export function arrange(successors: readonly (readonly number[])[], entries: readonly number[]): FlowNode[] {
  const reachable = new Set<number>();
  const pending = [...entries];
  for (let n = pending.pop(); n !== undefined; n = pending.pop()) {
    if (reachable.has(n)) continue;
    reachable.add(n);
    pending.push(...successors[n]);
  }
  return arrangeWithin(successors, [...reachable], new Set(entries), new Set());
}

/** `outside`: blocks of `members` that are branched to from elsewhere; edges to `removed` do not count. */
function arrangeWithin(
  successors: readonly (readonly number[])[], members: readonly number[], outside: ReadonlySet<number>, removed: ReadonlySet<number>,
): FlowNode[] {
  const inside = new Set(members);
  const next = (n: number) => successors[n].filter((s) => inside.has(s) && !removed.has(s));
  const components = stronglyConnected(members, next);
  const componentOf = new Map<number, number>();
  components.forEach((component, index) => {
    for (const n of component) componentOf.set(n, index);
  });
  const entered = new Set(outside);
  for (const n of members) for (const s of next(n)) if (componentOf.get(s) !== componentOf.get(n)) entered.add(s);
  return components.map((component, index): FlowNode => {
    const [first] = component;
    if (component.length === 1 && !next(first).includes(first)) return first;
    const entries = component.filter((n) => entered.has(n));
    const body = arrangeWithin(successors, component, new Set(entries), new Set([...removed, ...entries]));
    if (componentOf.get(entries[0]) !== index) throw new Error("a loop without entry");
    return { entries, body };
  });
}

/** Tarjan's algorithm; the components in topological order. */
function stronglyConnected(members: readonly number[], next: (n: number) => readonly number[]): number[][] {
  const order = new Map<number, number>(), low = new Map<number, number>();
  const stack: number[] = [], onStack = new Set<number>();
  const components: number[][] = [];
  const visit = (n: number): void => {
    order.set(n, order.size);
    low.set(n, order.get(n)!);
    stack.push(n);
    onStack.add(n);
    for (const s of next(n)) {
      if (!order.has(s)) {
        visit(s);
        low.set(n, Math.min(low.get(n)!, low.get(s)!));
      } else if (onStack.has(s)) low.set(n, Math.min(low.get(n)!, order.get(s)!));
    }
    if (low.get(n) !== order.get(n)) return;
    const component: number[] = [];
    for (;;) {
      const member = stack.pop()!;
      onStack.delete(member);
      component.push(member);
      if (member === n) break;
    }
    components.push(component.reverse());
  };
  for (const n of members) if (!order.has(n)) visit(n);
  return components.reverse();
}
