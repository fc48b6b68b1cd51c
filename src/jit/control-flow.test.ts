import { describe, expect, it } from "vitest";
import { arrange, type FlowNode } from "./control-flow.ts";

/** Blocks as numbers, loops as [entries, body]. */
function shape(nodes: readonly FlowNode[]): unknown[] {
  return nodes.map((node) => (typeof node === "number" ? node : { entries: node.entries, body: shape(node.body) }));
}

describe("arrange", () => {
  it("puts blocks without loops in topological order", () => {
    // 0 branches to 2 or 1, both go to 3.
    expect(shape(arrange([[2, 1], [3], [3], []], [0])).at(0)).toBe(0);
    expect(shape(arrange([[2, 1], [3], [3], []], [0])).at(-1)).toBe(3);
  });

  it("leaves out what cannot be reached", () => {
    expect(shape(arrange([[2], [2], []], [0]))).toEqual([0, 2]);
  });

  it("makes a loop of a block that branches to itself", () => {
    expect(shape(arrange([[1], [1, 2], []], [0]))).toEqual([0, { entries: [1], body: [1] }, 2]);
  });

  it("nests a loop in the loop around it", () => {
    // 1 -> 2 -> 2, 2 -> 3 -> 1, 3 -> 4
    expect(shape(arrange([[1], [2], [2, 3], [1, 4], []], [0]))).toEqual([
      0, { entries: [1], body: [1, { entries: [2], body: [2] }, 3] }, 4,
    ]);
  });

  it("gives a loop that is entered in two places both entries", () => {
    // Irreducible: 0 goes to 1 and to 2, which go to each other.
    const [first, loop] = arrange([[1, 2], [2], [1]], [0]);
    expect(first).toBe(0);
    expect(typeof loop === "object" && [...loop.entries].sort()).toEqual([1, 2]);
  });

  it("counts an entry from outside as one of the loop's", () => {
    const [loop] = arrange([[1], [0]], [0, 1]);
    expect(typeof loop === "object" && [...loop.entries].sort()).toEqual([0, 1]);
  });

  it("arranges every block once, and no branch goes backwards but to an entry of a loop around it", () => {
    const successors = [[1, 5], [2, 3], [1, 4], [4, 3], [0, 6], [3], [7], [6, 8], []];
    const order: number[] = [];
    const check = (nodes: readonly FlowNode[], around: readonly number[]): void => {
      for (const node of nodes) {
        if (typeof node !== "number") {
          check(node.body, [...around, ...node.entries]);
          continue;
        }
        for (const s of successors[node]) if (order.includes(s)) expect(around).toContain(s);
        if (successors[node].includes(node)) expect(around).toContain(node);
        order.push(node);
      }
    };
    check(arrange(successors, [0]), []);
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
