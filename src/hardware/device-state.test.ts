import { expect, it } from "vitest";
import { checkedState, copyState } from "./device-state.ts";

const like = { n: 0, on: false, name: "", ram: new Uint8Array(2), pair: [0, 0], list: [{ a: 0 }], any: [] as number[], deep: { x: 1 } };
const good = { n: 5, on: true, name: "q", ram: Uint8Array.of(1, 2), pair: [3, 4], list: [{ a: 1 }, { a: 2 }, { a: 3 }], any: [9], deep: { x: 7 } };

it("copies without sharing", () => {
  const copy = copyState(good);
  expect(copy).toEqual(good);
  copy.ram[0] = 99;
  copy.deep.x = 99;
  copy.list[0]!.a = 99;
  expect([good.ram[0], good.deep.x, good.list[0]!.a]).toEqual([1, 7, 1]);
});

it("takes the fields of its model and no others", () => {
  expect(checkedState("x", like, { ...good, extra: 1 })).toEqual(good);
});

it("refuses what is missing or of another kind", () => {
  for (const bad of [{ n: "5" }, { n: undefined }, { on: 1 }, { ram: [1, 2] }, { ram: new Uint8Array(3) }, { pair: [1] }, { pair: {} }, { list: [{ a: "1" }] }, { list: [{}] }, { deep: null }, { deep: {} }]) {
    expect(() => checkedState("x", like, { ...good, ...bad }), JSON.stringify(bad)).toThrow(/^snapshot: x\./);
  }
});
