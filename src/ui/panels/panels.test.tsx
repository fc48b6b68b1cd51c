// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from "vitest";
import { CONTEXT_H, CONTEXT_V, CPL, EFLAGS_SYSTEM, GPR_BASE } from "../../isa/state-layout.ts";
import type { TestPage } from "../test-page.tsx";
import { find, renderPage, type } from "../test-page.tsx";
import { DropDialog } from "./DropDialog.tsx";
import { GuestList } from "./GuestList.tsx";
import { ProblemDialog } from "./ProblemDialog.tsx";
import { RegisterView } from "./RegisterView.tsx";
import { RunBanner } from "./RunBanner.tsx";
import { StatusBar } from "./StatusBar.tsx";
import { TopBar } from "./TopBar.tsx";
import { TrapPanel } from "../traps/TrapPanel.tsx";

let open: TestPage | null = null;
async function render(node: React.ReactNode): Promise<TestPage> {
  open = await renderPage(node);
  return open;
}
afterEach(() => {
  open?.unmount();
  open = null;
  vi.useRealTimers();
});

describe("trap panel", () => {
  it("shows exact totals and marks leaks apart from traps", async () => {
    const { host, memory, boot, frame } = await render(<TrapPanel />);
    await boot();
    memory.write(30);
    await frame();
    expect(find(host, "[data-total=traps]").textContent).toContain("20");
    expect(find(host, "[data-total=leaks]").textContent).toContain("10");
  });

  it("shows only leaks when their total is pressed, and everything when it is pressed again", async () => {
    const { host, memory, boot, frame, doing, page } = await render(<TrapPanel />);
    await boot();
    memory.write(30);
    await doing(() => find(host, "[data-total=leaks]").click());
    await frame();
    expect(page.session.traps.state.get()).toMatchObject({ filter: "kind == leak", count: 10 });
    expect(find(host, "[data-total=leaks]").getAttribute("aria-pressed")).toBe("true");
    await doing(() => find(host, "[data-total=leaks]").click());
    await frame();
    expect(page.session.traps.state.get()).toMatchObject({ filter: "", count: 30 });
  });

  it("says where a filter is wrong, and applies it once it is right", async () => {
    vi.useFakeTimers();
    const { host, memory, boot, frame, doing, page } = await render(<TrapPanel />);
    await boot();
    memory.write(30);
    await frame();
    const input = find<HTMLInputElement>(host, "#trap-filter");
    await doing(() => type(input, "kind == lek"));
    await doing(() => void vi.advanceTimersByTime(500));
    expect(input.getAttribute("aria-invalid")).toBe("true");
    expect(find(host, "mark").textContent).toBe("lek");
    expect(find(host, "[role=status]").textContent).toContain("exit, leak, observed");
    await doing(() => type(input, "kind == leak"));
    await doing(() => void vi.advanceTimersByTime(500));
    await frame();
    expect(input.getAttribute("aria-invalid")).toBe("false");
    expect(page.session.traps.state.get().count).toBe(10);
  });

  it("explains a leak: bytes, reason, what the guest was shown", async () => {
    const { host, memory, boot, frame, doing, page } = await render(<TrapPanel />);
    await boot();
    memory.write(3);
    await frame();
    await doing(() => page.session.traps.select(1));
    await doing(() => import("../traps/TrapDetail.tsx").then(() => {}));
    const detail = find(host, "aside");
    expect(detail.querySelector("h2")?.textContent).toBe("popfd");
    expect(find(detail, "li", "opcode").textContent).toContain("9d");
    expect(detail.textContent).toContain("Outside ring 0 it does not trap");
    expect(find(detail, "dd", "00000046").textContent).toContain("IF=0");
    expect(find(detail, "dd", "00000246").textContent).toContain("IF=1");
    await doing(() => find(detail, "button", "Only POPF").click());
    expect(page.session.traps.state.get()).toMatchObject({ filter: "insn == POPF", selected: null });
  });

  it("shows port and value of an OUT that trapped", async () => {
    const { host, memory, boot, frame, doing, page } = await render(<TrapPanel />);
    await boot();
    memory.write(3);
    await frame();
    await doing(() => page.session.traps.select(2));
    expect(find(host, "aside code", "port").textContent).toBe("port 03f8 <- 41");
    expect(find(host, "aside dl > div", "error code").textContent).toContain("0000");
  });

  it("groups by instruction and filters to a group on a click", async () => {
    const { host, memory, boot, frame, doing, page } = await render(<TrapPanel />);
    await boot();
    memory.write(30);
    await doing(() => page.session.traps.setGrouping("instruction"));
    await frame();
    expect([...host.querySelectorAll("tbody tr")].map((row) => row.querySelector("th")?.textContent)).toEqual(["CLI", "OUT", "POPF"]);
    expect(find(host, "caption").textContent).toContain("exact");
    await doing(() => find(host, "tbody button", "POPF").click());
    await frame();
    expect(page.session.traps.state.get()).toMatchObject({ grouping: null, filter: "insn == POPF", count: 10 });
  });

  it("exports what the filter passes", async () => {
    const { host, client, boot, doing, page } = await render(<TrapPanel />);
    await boot();
    await doing(() => page.session.traps.setFilter("kind == leak"));
    await doing(() => find(host, "button", "Export").click());
    await doing(() => find(host, "button", "JSON lines").click());
    expect(client.last("exportLog")).toEqual({ type: "exportLog", filter: "kind == leak", format: "jsonl", marks: [] });
  });
});

describe("registers", () => {
  it("show the guest's view beside the hardware's where they differ, and mark changes", async () => {
    const { host, memory, boot, doing, client } = await render(<RegisterView />);
    memory.set("attached", 1);
    await boot();
    const view = new DataView(memory.buffer);
    view.setUint32(GPR_BASE, 0xcafe, true);
    view.setUint32(CONTEXT_V + EFLAGS_SYSTEM.offset, 0, true);
    view.setUint32(CONTEXT_H + EFLAGS_SYSTEM.offset, 0x200, true);
    view.setUint32(CONTEXT_H + CPL.offset, 1, true);
    await doing(() => client.emit({ type: "state", state: { kind: "paused", why: "user" } }));
    expect(find(host, "dl > div", "EAX").querySelector("b")?.textContent).toBe("0000cafe");
    expect(find(host, "dl > div", "EBX").querySelector("b")).toBeNull();
    expect(find(host, "[title='interrupts enabled']").textContent).toBe("IF0hw 1");
    expect(find(host, "[title='interrupts enabled']").dataset.differs).toBe("true");
    expect(find(host, "li", "ZF").dataset.differs).toBe("false");
    expect(find(host, "dl > div", "CPL").textContent).toBe("CPL0hw1");
    expect(find(host, "dl > div", "CR0").textContent).not.toContain("hw");
  });
});

describe("top bar", () => {
  it("offers the techniques that are built and sends the switch", async () => {
    const { host, client, boot, doing } = await render(<TopBar />);
    await boot();
    await doing(() => find(host, "#technique").click());
    const radios = [...host.querySelectorAll<HTMLInputElement>("input[name=technique]")];
    expect(radios.map((radio) => radio.value)).toEqual(["emulate", "trap", "int3", "scan", "lite", "hybrid", "translate", "paravirt", "vtx"]);
    expect(radios.filter((radio) => !radio.disabled).map((radio) => radio.value)).toEqual(["emulate", "trap"]);
    // What the guest that boots from a drive will do there.
    expect(find(host, "[data-verdict=refuses]").textContent).toMatch(/^This guest: Is refused/);
    expect([...host.querySelectorAll("[data-verdict=runs]")].length).toBe(5);
    await doing(() => find<HTMLInputElement>(host, "label", "umip").click());
    expect(client.last("setTechnique")).toEqual({ type: "setTechnique", technique: "trap", ring: 1, set: { umip: true } });
    await doing(() => find<HTMLInputElement>(host, "label", "ring 3").click());
    expect(client.last("setTechnique")).toMatchObject({ ring: 3, set: { umip: true } });
  });

  it("enables what can be done", async () => {
    const { host, client, boot, doing } = await render(<TopBar />);
    const enabled = (): string[] => [...host.querySelectorAll<HTMLButtonElement>("[aria-label='Run control'] button")].filter((button) => !button.disabled).map((button) => button.textContent ?? "");
    expect(enabled()).toEqual([]);
    await boot();
    expect(enabled()).toEqual(["Pause", "Reset"]);
    await doing(() => client.emit({ type: "state", state: { kind: "paused", why: "user" } }));
    expect(enabled()).toEqual(["Run", "Step", "Next trap", "Reset"]);
    await doing(() => find(host, "button", "Next trap").click());
    expect(client.sent.at(-1)).toEqual({ type: "stepToNextTrap" });
    await doing(() => client.emit({ type: "state", state: { kind: "ended", outcome: "triple-fault", reason: "", eip: 0 } }));
    expect(enabled()).toEqual(["Reset"]);
  });

  it("calls an idle guest idle", async () => {
    const { host, memory, boot, frame } = await render(<><TopBar /><StatusBar /></>);
    await boot();
    memory.set("waiting", 1);
    await frame();
    await frame();
    expect(find(host, "dl > div", "MIPS").textContent).toContain("idle");
    expect(find(host, "footer [role=status]").textContent).toBe("guest is waiting for an interrupt");
  });
});

describe("drives", () => {
  it("eject and say what is in them", async () => {
    const { host, client, boot, doing } = await render(<TopBar />);
    expect([...host.querySelectorAll("button")].some((button) => button.textContent === "Drives")).toBe(false);
    await boot();
    await doing(() => find(host, "button", "Drives").click());
    expect(find(host, "li", "Floppy A").textContent).toContain("a.img");
    expect(find(host, "li", "Hard disk").querySelector("button")).toBeNull();
    await doing(() => find(find(host, "li", "Floppy A"), "button", "Eject").click());
    expect(client.last("ejectMedia")).toEqual({ type: "ejectMedia", drive: "fda" });
    await doing(() => client.emit({ type: "mediaChanged", drive: "fda", name: null }));
    expect(find(host, "li", "Floppy A").textContent).toContain("empty");
  });
});

/** What was asked of the machine has been sent. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("guests and files", () => {
  it("boots a bundled guest in one click, under its own technique", async () => {
    const { host, client, doing } = await render(<GuestList />);
    await doing(() => find(host, "[data-guest=popf]").click());
    expect(client.last("create")?.config).toMatchObject({ technique: "trap", ring: 1, memoryBytes: 16 << 20, drives: { fda: { name: "popf.img" } } });
  });

  it("asks where two images go", async () => {
    const { host, client, page, doing } = await render(<DropDialog />);
    const disk = { title: "Hard disk image", evidence: "1 partition", size: 1e7, targets: ["hda", "hdb"], problem: null } as const;
    await doing(async () => {
      const offered = page.session.offer([{ name: "a.img", data: new Uint8Array(1) }, { name: "b.img", data: new Uint8Array(1) }], null);
      await settled();
      for (const command of client.sent) if (command.type === "identify") client.emit({ type: "identified", id: command.id, info: disk, uses: [] });
      await offered;
    });
    const selects = [...host.querySelectorAll("select")];
    expect(selects.map((select) => select.value)).toEqual(["hda", "hdb"]);
    await doing(() => {
      selects[1].value = "hda";
      selects[1].dispatchEvent(new Event("change", { bubbles: true }));
    });
    expect(find<HTMLButtonElement>(host, "button", "Boot").disabled).toBe(true);
    expect(host.textContent).toContain("Two files are planned for hda");
  });

  it("says what is wrong with a file that cannot be used, and only that", async () => {
    const { host, client, page, doing } = await render(<DropDialog />);
    await doing(async () => {
      const offered = page.session.offer([{ name: "notes.txt", data: new Uint8Array(1) }], null);
      await settled();
      for (const command of client.sent) {
        if (command.type === "identify") {
          client.emit({ type: "identified", id: command.id, info: { title: "text file", evidence: "", size: 1, targets: [], problem: { reason: "This is a text file.", whatToDo: "Choose a disk image.", canForce: false } }, uses: [] });
        }
      }
      await offered;
    });
    expect(find(host, "h2").textContent).toBe("notes.txt cannot be used");
    expect(host.textContent).toContain("This is a text file. Choose a disk image.");
    expect([...host.querySelectorAll("button")].map((button) => button.textContent)).toEqual(["Close"]);
  });
});

describe("ends and faults", () => {
  it("names the first leak when a run ends badly", async () => {
    const { host, client, boot, doing, memory } = await render(<RunBanner />);
    await boot();
    memory.write(3);
    memory.keepFirstLeak();
    await doing(() => client.emit({ type: "state", state: { kind: "ended", outcome: "halted", reason: "HLT with IF=0", eip: 0x7c44 } }));
    expect(host.textContent).toContain("nothing can wake it");
    expect(host.textContent).toContain("popfd at 0008:00007c01");
    expect(host.textContent).toContain("write lost: IF stays 0");
    await doing(() => find(host, "button", "Reset").click());
    expect(client.sent.slice(-2)).toEqual([{ type: "reset" }, { type: "run" }]);
  });

  it("offers the report of a fault of ours", async () => {
    const { host, client, boot, doing, page } = await render(<ProblemDialog />);
    await boot();
    await doing(() => client.emit({ type: "defect", message: "unreachable: 7", report: "at core.ts" }));
    const saved: string[] = [];
    page.session.saveFile = (name, bytes) => saved.push(`${name} ${new TextDecoder().decode(bytes)}`);
    await doing(() => find(host, "button", "Download report").click());
    expect(saved).toEqual(["trapscope-report.txt at core.ts"]);
    expect(host.textContent).toContain("unreachable: 7");
  });
});
