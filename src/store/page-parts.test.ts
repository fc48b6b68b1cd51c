// The small stores: URL, settings, drop plan, isolation, meters, registers.

import { describe, expect, it } from "vitest";
import { CONTEXT_V, EIP, GPR_BASE, SEGMENT_STRIDE } from "../isa/state-layout.ts";
import type { ImageInfo } from "../protocol/image-info.ts";
import { RegisterReader } from "../protocol/register-view.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { needsQuestion, planDrop, planProblem } from "./drop-plan.ts";
import { findIsolationProblem } from "./isolation.ts";
import { MeterStore } from "./meter-store.ts";
import { RegisterStore } from "./register-store.ts";
import { DEFAULT_SETTINGS, SettingsStore } from "./settings.ts";
import { TestMemory } from "./test-machine.ts";
import { parseMemory } from "./memory-size.ts";
import { parsePageParameters } from "./url-parameters.ts";

describe("URL", () => {
  it("takes what interfaces name", () => {
    expect(parsePageParameters("?guest=popf&technique=trap&ring=3&memory=64M&clock=virtual&set=umip:on,tsd:off&filter=kind%20%3D%3D%20leak&view=debug&a=emulate&b=trap/3&lab=L1&autorun=1")).toEqual({
      guest: "popf", technique: "trap", ring: 3, memoryBytes: 64 << 20, clock: "virtual", set: { umip: true, tsd: false }, filter: "kind == leak", view: "debug", lab: "L1",
      subjects: [{ technique: "emulate", ring: 1 }, { technique: "trap", ring: 3 }], autorun: true, check: false, problems: [],
    });
  });

  it.each([
    ["technique=bochs", "emulate, trap"], ["ring=2", "1 or 3"], ["memory=2G", "1M to 1G"], ["clock=atomic", "real or virtual"], ["set=umip", "umip:on|off, tsd:on|off"],
    ["filter=foo", "no field"], ["view=wide", "learn, debug, compare"], ["a=magic", "emulate, trap"], ["b=trap/2", "trap/3"], ["image=ftp://x", "https://"], ["image=disk.img", "https://"], ["image=http://elsewhere/disk.img", "download the file"],
  ])("names what is wrong with %s and keeps the rest", (part, message) => {
    const result = parsePageParameters(`?guest=tour&${part}`);
    expect(result.guest).toBe("tour");
    expect(result.problems).toHaveLength(1);
    expect(result.problems[0]).toContain(message);
  });

  it("takes images from https: anywhere, and from its own host", () => {
    const image = (address: string, origin: string) => parsePageParameters(`?image=${encodeURIComponent(address)}`, origin).image;
    expect(image("https://elsewhere/disk.img", "https://here")).toBe("https://elsewhere/disk.img");
    expect(image("http://localhost:5173/disk.img", "http://localhost:5173")).toBe("http://localhost:5173/disk.img");
    expect(image("http://localhost:5174/disk.img", "http://localhost:5173")).toBeUndefined();
    expect(parsePageParameters("?image=http://x/y", "http://localhost").problems[0]).toContain("or one of http://localhost,");
  });

  it("reads sizes", () => {
    expect([parseMemory("1M"), parseMemory("1g"), parseMemory("1024k"), parseMemory("4194304"), parseMemory("512K"), parseMemory("x")]).toEqual([1 << 20, 1 << 30, 1 << 20, 1 << 22, null, null]);
  });
});

describe("settings", () => {
  const storage = (): { map: Map<string, string>; getItem: (key: string) => string | null; setItem: (key: string, value: string) => void; removeItem: (key: string) => void } => {
    const map = new Map<string, string>();
    return { map, getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) };
  };

  it("come back, and are forgotten on request", () => {
    const own = storage();
    new SettingsStore(own).patch({ theme: "dark", sizes: { a: [60, 40] } });
    const again = new SettingsStore(own);
    expect(again.state.get()).toMatchObject({ theme: "dark", sizes: { a: [60, 40] } });
    again.rememberFilter("kind == leak");
    again.rememberFilter("t > 1");
    again.rememberFilter("kind == leak");
    expect(again.state.get().filters).toEqual(["kind == leak", "t > 1"]);
    again.reset();
    expect(new SettingsStore(own).state.get()).toEqual(DEFAULT_SETTINGS);
  });

  it("survive storage that is damaged, foreign or forbidden", () => {
    const own = storage();
    own.map.set("trapscope", "{");
    expect(new SettingsStore(own).state.get()).toEqual(DEFAULT_SETTINGS);
    own.map.set("trapscope", '{"version":1,"settings":{"sizes":"wide","theme":"dark"}}');
    expect(new SettingsStore(own).state.get()).toEqual({ ...DEFAULT_SETTINGS, theme: "dark" });
    const forbidden = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("no"); }, removeItem: () => { throw new Error("no"); } };
    const store = new SettingsStore(forbidden);
    store.patch({ theme: "light" });
    store.reset();
    expect(new SettingsStore(null).state.get()).toEqual(DEFAULT_SETTINGS);
  });
});

describe("drop plan", () => {
  const info = (targets: ImageInfo["targets"], problem: ImageInfo["problem"] = null): ImageInfo => ({ title: "", evidence: "", size: 1, targets, problem });
  const floppy = info(["fda", "fdb"]), disk = info(["hda", "hdb"]), kernel = info(["kernel"]), initrd = info(["initrd", "hda"]);

  it("gives each file a place of its own", () => {
    const plan = planDrop([{ name: "1", info: floppy }, { name: "2", info: floppy }, { name: "3", info: floppy }], null);
    expect(plan.map((file) => file.target)).toEqual(["fda", "fdb", null]);
    expect(planProblem(plan, false)).toBeNull();
  });

  it("follows the place where a file was dropped, if it fits there", () => {
    expect(planDrop([{ name: "1", info: floppy }], "fdb")[0].target).toBe("fdb");
    expect(planDrop([{ name: "1", info: floppy }], "cdrom")[0].target).toBe("fda");
  });

  it("asks about everything that is not one clear image", () => {
    const one = planDrop([{ name: "1", info: disk }], null);
    expect(needsQuestion(one, false)).toBe(false);
    expect(needsQuestion(one, true)).toBe(true);
    expect(needsQuestion(planDrop([{ name: "1", info: kernel }], null), false)).toBe(true);
    expect(needsQuestion(planDrop([{ name: "1", info: disk }, { name: "2", info: disk }], null), false)).toBe(true);
    expect(needsQuestion(planDrop([{ name: "1", info: info([]) }], null), false)).toBe(true);
  });

  it("says why a plan cannot be booted", () => {
    const plan = (files: ImageInfo[]): ReturnType<typeof planDrop> => planDrop(files.map((own, index) => ({ name: `f${index}`, info: own })), null);
    expect(planProblem(plan([info([])]), false)).toContain("None");
    expect(planProblem(plan([initrd]), false)).toContain("kernel");
    expect(planProblem(plan([kernel, initrd]), false)).toBeNull();
    expect(planProblem([{ name: "a", info: disk, target: "hda" }, { name: "b", info: disk, target: "hda" }], false)).toContain("hda");
    const unsigned = info(["fda"], { reason: "No 55AA.", whatToDo: "", canForce: true });
    expect(planProblem(plan([unsigned]), false)).toContain("No 55AA");
    expect(planProblem(plan([unsigned]), true)).toBeNull();
    expect(planProblem(plan([disk, unsigned]), false)).toBeNull(); // a data disk beside one that boots
    expect(planProblem(plan([disk, info(["fda"], { reason: "Truncated.", whatToDo: "", canForce: false })]), false)).toContain("Truncated");
  });
});

describe("isolation", () => {
  const environment = (headers: Record<string, string> | null, secure = true): Parameters<typeof findIsolationProblem>[0] => ({
    isSecureContext: secure, crossOriginIsolated: false, hasSharedArrayBuffer: false, headers: async () => (headers ? new Headers(headers) : null),
  });

  it("is no problem where it is there", async () => {
    expect(await findIsolationProblem({ ...environment({}), crossOriginIsolated: true, hasSharedArrayBuffer: true })).toBeNull();
  });

  it("names the header that is missing", async () => {
    const problem = await findIsolationProblem(environment({ "Cross-Origin-Opener-Policy": "same-origin" }));
    expect(problem?.reason).toContain("Cross-Origin-Embedder-Policy");
    expect(problem?.reason).not.toContain("Opener");
    expect(problem?.headers).toEqual(["Cross-Origin-Embedder-Policy: require-corp"]);
    expect((await findIsolationProblem(environment({})))?.headers).toHaveLength(2);
  });

  it("asks for HTTPS first, and knows embedded pages", async () => {
    expect((await findIsolationProblem(environment({}, false)))?.reason).toContain("plain HTTP");
    const both = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
    expect((await findIsolationProblem(environment(both)))?.whatToDo).toContain("embedded");
    expect((await findIsolationProblem(environment(null)))?.headers).toHaveLength(2);
  });
});

describe("meter", () => {
  it("turns counters into rates", () => {
    const memory = new TestMemory();
    const store = new MeterStore();
    store.bind(new StatsReader(memory.buffer, memory.layout.stats));
    store.started();
    store.tick(1000);
    memory.set("instructions", 5e6);
    memory.set("traps", 100);
    memory.set("runNs", 1e9);
    memory.set("monitorNs", 2.5e8);
    memory.set("waiting", 1);
    store.tick(1400); // too early for a sample
    expect(store.state.get().mips).toBe(0);
    store.tick(2000);
    expect(store.state.get()).toMatchObject({ mips: 5, rates: { traps: { perSecond: 100, history: [100] } }, monitorShare: 0.25, waiting: true, instructions: 5e6 });
    store.stopped();
    expect(store.state.get()).toMatchObject({ mips: 0, waiting: false, instructions: 5e6, rates: { traps: { perSecond: 0, history: [100] } } });
  });
});

describe("registers", () => {
  it("mark what changed since the last stop", () => {
    const memory = new TestMemory();
    const view = new DataView(memory.buffer);
    const store = new RegisterStore();
    const { truth, codeWindow, stats } = memory.layout;
    store.bind(new RegisterReader(memory.buffer, truth, codeWindow), new StatsReader(memory.buffer, stats));
    expect(store.state.get().changed.size).toBe(0);
    view.setUint32(GPR_BASE + 12, 7, true); // EBX
    view.setUint32(EIP.offset, 0x7c00, true);
    view.setUint32(CONTEXT_V + SEGMENT_STRIDE + 4, 0x10, true); // base of CS
    store.stopped();
    expect([...store.state.get().changed].sort()).toEqual(["EBX", "EIP", "v.CS.base"]);
    view.setUint32(EIP.offset, 0x7c01, true);
    store.started();
    store.tick(1e6);
    expect(store.state.get().registers?.eip).toBe(0x7c01);
    expect(store.state.get().changed.size).toBe(0); // everything changes while it runs
    store.stopped();
    expect([...store.state.get().changed]).toEqual(["EIP"]);
    store.stopped();
    expect(store.state.get().changed.size).toBe(0);
  });

  it("show the hardware only while a monitor is attached", () => {
    const memory = new TestMemory();
    const store = new RegisterStore();
    const { truth, codeWindow, stats } = memory.layout;
    store.bind(new RegisterReader(memory.buffer, truth, codeWindow), new StatsReader(memory.buffer, stats));
    expect(store.state.get().registers?.hardware).toBeNull();
    memory.set("attached", 1);
    store.stopped();
    expect(store.state.get().registers?.hardware).not.toBeNull();
  });
});
