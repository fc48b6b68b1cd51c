import { beforeEach, describe, expect, it } from "vitest";
import type { MachineEvent } from "../protocol/events.ts";
import type { ImageInfo } from "../protocol/image-info.ts";
import { jsonlHeader, jsonlLine } from "../trace/jsonl.ts";
import { testTrap } from "../trace/test-trap.ts";
import { Session } from "./session.ts";
import { TestClient, TestMemory } from "./test-machine.ts";

const FLOPPY: ImageInfo = { title: "Floppy image", evidence: "55AA", size: 1_474_560, targets: ["fda", "fdb"], problem: null };
const DISK: ImageInfo = { title: "Hard disk image", evidence: "1 partition", size: 1e7, targets: ["hda", "hdb"], problem: null };
const KERNEL: ImageInfo = { title: "Linux kernel", evidence: "HdrS", size: 1e6, targets: ["kernel"], problem: null };

let client: TestClient;
let session: Session;
let memory: TestMemory;

beforeEach(() => {
  client = new TestClient();
  session = new Session(client.open);
  memory = new TestMemory();
  session.start();
  client.emit({ type: "hello", techniques: ["emulate", "trap"] });
});

function ready(): void {
  client.emit({ type: "ready", buffer: memory.buffer, layout: memory.layout, technique: "emulate", ring: 1, set: {} });
  client.emit({ type: "state", state: { kind: "running" } });
}

const file = (name: string): { name: string; data: Uint8Array } => ({ name, data: Uint8Array.of(1, 2, 3) });

async function offer(files: Record<string, ImageInfo>): Promise<void> {
  const offered = session.offer(Object.keys(files).map(file), null);
  await new Promise((resolve) => setTimeout(resolve));
  const asked = client.sent.filter((command) => command.type === "identify").slice(-Object.keys(files).length);
  Object.values(files).forEach((info, index) => client.emit({ type: "identified", id: asked[index].id, info, uses: [] }));
  await offered;
}

describe("session", () => {
  it("boots one clear image without a question, under emulate, and runs it", async () => {
    await offer({ "a.img": FLOPPY });
    expect(client.last("create")?.config).toMatchObject({ technique: "emulate", ring: 1, clock: "real", drives: { fda: { name: "a.img" } } });
    ready();
    expect(client.last("run")).toBeDefined();
    expect(session.state.get()).toMatchObject({ phase: "live", machine: { title: "a.img", media: { fda: "a.img" } }, run: { kind: "running" } });
  });

  it("puts two images on two drives, and asks first", async () => {
    await offer({ "a.img": DISK, "b.img": DISK });
    const { question } = session.state.get();
    expect(question?.files.map((own) => own.target)).toEqual(["hda", "hdb"]);
    expect(client.last("create")).toBeUndefined();
    session.bootPlan(question?.files ?? [], "", false);
    expect(client.last("create")?.config.drives).toMatchObject({ hda: { name: "a.img" }, hdb: { name: "b.img" } });
  });

  it("asks for the command line of a kernel and passes it on", async () => {
    await offer({ vmlinuz: KERNEL });
    session.bootPlan(session.state.get().question?.files ?? [], "console=ttyS0", false);
    expect(client.last("create")?.config).toMatchObject({ kernel: { name: "vmlinuz" }, append: "console=ttyS0", drives: {} });
  });

  it("asks whether to boot or insert while a machine runs, and inserts", async () => {
    await offer({ "a.img": FLOPPY });
    ready();
    await offer({ "b.img": FLOPPY });
    session.insertPlan(session.state.get().question?.files ?? []);
    expect(client.last("insertMedia")).toMatchObject({ drive: "fda", medium: { name: "b.img" } });
    client.emit({ type: "mediaChanged", drive: "fda", name: "b.img" });
    expect(session.state.get().machine?.media).toEqual({ fda: "b.img" });
    client.emit({ type: "mediaChanged", drive: "fda", name: null });
    expect(session.state.get().machine?.media).toEqual({});
  });

  it("offers to boot anyway only where that can be done", () => {
    session.bootGuest({ id: "x", file: "x.img", title: "X", description: "", see: "", technique: "trap", ring: 3, memoryBytes: 1 << 24, picture: "" }, new Uint8Array(512), {});
    expect(client.last("create")?.config).toMatchObject({ technique: "trap", ring: 3, memoryBytes: 1 << 24 });
    const rejected: MachineEvent = { type: "rejected", what: "image", name: "x.img", reason: "No 55AA signature.", whatToDo: "Look.", canForce: true };
    client.emit(rejected);
    expect(session.state.get()).toMatchObject({ phase: "empty", problem: { title: "x.img cannot be used", retry: { label: "Boot anyway" } } });
    session.state.get().problem?.retry?.run();
    expect(client.last("create")?.config.force).toBe(true);
    client.emit({ ...rejected, canForce: false });
    expect(session.state.get().problem?.retry).toBeNull();
  });

  it("leaves the machine alone when a medium cannot be inserted", async () => {
    await offer({ "a.img": FLOPPY });
    ready();
    client.emit({ type: "rejected", what: "image", name: "b.img", reason: "It is empty.", whatToDo: "", canForce: false });
    expect(session.state.get()).toMatchObject({ phase: "live", problem: { reason: "It is empty." } });
  });

  it("uses emulate where a card's technique is not built", () => {
    session.bootGuest({ id: "x", file: "x.img", title: "X", description: "", see: "", technique: "vtx", ring: 1, memoryBytes: 1 << 24, picture: "" }, new Uint8Array(512), {});
    expect(client.last("create")?.config.technique).toBe("emulate");
  });

  it("switches the technique while running", async () => {
    await offer({ "a.img": FLOPPY });
    ready();
    session.setTechnique("trap", 3, { umip: true });
    expect(client.last("setTechnique")).toEqual({ type: "setTechnique", technique: "trap", ring: 3, set: { umip: true } });
    client.emit({ type: "techniqueChanged", technique: "trap", ring: 3, set: {} });
    expect(session.state.get()).toMatchObject({ machine: { technique: "trap", ring: 3 }, options: { technique: "trap", ring: 3 } });
  });

  it("keeps log and registers readable after a crash, and starts again in a new worker", async () => {
    await offer({ "a.img": FLOPPY });
    ready();
    memory.write(6);
    client.emit({ type: "defect", message: "unreachable", report: "stack" });
    expect(session.state.get()).toMatchObject({ phase: "crashed", problem: { report: "stack" } });
    const saved: { name: string; text: string }[] = [];
    session.saveFile = (name, bytes) => saved.push({ name, text: new TextDecoder().decode(bytes) });
    session.traps.setFilter("kind == leak");
    session.exportLog("jsonl");
    expect(saved[0].name).toBe("trapscope-log.jsonl");
    expect(saved[0].text.trim().split("\n")).toHaveLength(3); // header and two of the six
    session.state.get().problem?.retry?.run();
    expect(client.closed).toBe(false); // opened again
    expect(client.last("create")?.config.drives).toMatchObject({ fda: { name: "a.img" } });
  });

  it("exports through the worker while the machine lives, without a filter that does not parse", async () => {
    await offer({ "a.img": FLOPPY });
    ready();
    session.traps.setFilter("kind ==");
    session.exportLog("csv");
    expect(client.last("exportLog")).toEqual({ type: "exportLog", filter: "", format: "csv", marks: [] });
  });

  it("opens an exported log instead of booting it", async () => {
    const text = jsonlHeader({ technique: "trap", ring: 1, set: {} }) + jsonlLine(testTrap(), { technique: "trap" });
    await session.offer([{ name: "log.jsonl", data: new TextEncoder().encode(text) }], null);
    expect(client.last("identify")).toBeUndefined();
    expect(session.traps.state.get()).toMatchObject({ file: "log.jsonl", count: 1 });
    await session.offer([{ name: "bad.jsonl", data: new TextEncoder().encode(`${jsonlHeader({ technique: "trap", ring: 1, set: {} })}oops`) }], null);
    expect(session.state.get().problem?.reason).toContain("Line 2");
  });

  it("gives serial bytes to terminals that come late and forgets them with the machine", async () => {
    client.emit({ type: "serial", port: 0, bytes: Uint8Array.of(65, 66) });
    const got: number[] = [];
    session.serial[0].attach((bytes) => got.push(...bytes));
    client.emit({ type: "serial", port: 0, bytes: Uint8Array.of(67) });
    expect(got).toEqual([65, 66, 67]);
    await offer({ "a.img": FLOPPY });
    ready();
    expect(session.serial[0].total).toBe(0);
  });

  it("runs, pauses and steps by command and follows the machine's own account of it", async () => {
    await offer({ "a.img": FLOPPY });
    ready();
    session.toggleRun();
    expect(client.sent.at(-1)).toEqual({ type: "pause" });
    client.emit({ type: "state", state: { kind: "paused", why: "user" } });
    session.toggleRun();
    expect(client.sent.at(-1)).toEqual({ type: "run" });
    client.emit({ type: "state", state: { kind: "ended", outcome: "triple-fault", reason: "", eip: 5 } });
    session.toggleRun();
    expect(client.sent.at(-1)).toEqual({ type: "run" }); // an ended machine is not started by the key
  });
});
