// A real Firefox without a window, driven over WebDriver BiDi (W3C): real pointer, keyboard and files. FIREFOX names the browser where it is
// not /usr/bin/firefox-esr.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
export const HAS_FIREFOX = existsSync(PROGRAM);

/** What is used of the package ws, which has no types of its own. */
interface Socket {
  on(event: "open" | "message" | "error" | "close", listener: (value: Buffer) => void): void;
  send(text: string): void;
  close(): void;
}
const WebSocket = createRequire(import.meta.url)("ws") as new (address: string) => Socket;

type Answer = Record<string, unknown>;

/** Nothing of a person's profile, and nothing fetched from outside. */
const PREFERENCES = {
  "app.update.enabled": false, "browser.shell.checkDefaultBrowser": false, "datareporting.policy.dataSubmissionEnabled": false, "app.normandy.enabled": false,
  "browser.aboutwelcome.enabled": false, "extensions.update.enabled": false, "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,", "browser.safebrowsing.malware.enabled": false, "browser.safebrowsing.phishing.enabled": false,
};
const KEYS: Readonly<Record<string, string>> = { Enter: "\uE007", Escape: "\uE00C", Tab: "\uE004", ArrowDown: "\uE015", Backspace: "\uE003" };

export class Firefox {
  /** Errors of the page's scripts. */
  readonly problems: string[] = [];
  private readonly process: ChildProcess;
  private readonly socket: Socket;
  private readonly profile: string;
  private readonly pending = new Map<number, { resolve: (value: Answer) => void; reject: (error: Error) => void }>();
  private context = "";
  private nextId = 1;

  private constructor(process: ChildProcess, socket: Socket, profile: string) {
    this.process = process;
    this.socket = socket;
    this.profile = profile;
    socket.on("message", (data) => this.receive(JSON.parse(data.toString()) as Answer));
  }

  static async launch(): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), "trapscope-firefox-"));
    writeFileSync(join(profile, "user.js"), Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(""));
    const child = spawn(PROGRAM, ["--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile], { stdio: ["ignore", "ignore", "pipe"] });
    const address = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        const [, found] = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      });
      child.once("exit", () => reject(new Error(`Firefox ended: ${said}`)));
    });
    const socket = new WebSocket(`${address}/session`);
    await new Promise((resolve, reject) => {
      socket.on("open", resolve);
      socket.on("error", reject);
    });
    const firefox = new Firefox(child, socket, profile);
    await firefox.command("session.new", { capabilities: {} });
    const { contexts } = (await firefox.command("browsingContext.getTree", {})) as { contexts: { context: string }[] };
    firefox.context = contexts[0]!.context;
    await firefox.command("session.subscribe", { events: ["log.entryAdded"] });
    await firefox.command("browsingContext.setViewport", { context: firefox.context, viewport: { width: 1400, height: 900 } });
    return firefox;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    await this.command("browser.close", {}).catch(() => this.process.kill("SIGKILL"));
    await ended;
    this.socket.close();
    rmSync(this.profile, { recursive: true, force: true });
  }

  async open(url: string): Promise<void> {
    await this.command("browsingContext.navigate", { context: this.context, url, wait: "complete" });
  }

  async reload(): Promise<void> {
    await this.command("browsingContext.reload", { context: this.context, wait: "complete" });
  }

  /** The value of an expression in the page, which may be a promise. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = (await this.command("script.evaluate", {
      expression: `(async () => JSON.stringify((await (${expression})) ?? null))()`, target: { context: this.context }, awaitPromise: true, resultOwnership: "none",
    })) as { type: string; result?: { value?: string }; exceptionDetails?: { text: string } };
    if (answer.type !== "success") throw new Error(`${expression}: ${answer.exceptionDetails?.text}`);
    return JSON.parse(answer.result?.value ?? "null") as T;
  }

  /** Until the expression is true. */
  async until(expression: string, timeoutMs = 90_000): Promise<void> {
    for (const end = Date.now() + timeoutMs; !(await this.evaluate<boolean>(`!!(${expression})`).catch(() => false)); ) {
      if (Date.now() > end) throw new Error(`never true: ${expression}\nThe page shows:\n${await this.evaluate<string>("document.body.innerText.slice(0, 3000)")}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** With the pointer, in the middle of the first element that the expression gives. */
  async click(element: string): Promise<void> {
    await this.until(element);
    const [x, y] = await this.evaluate<[number, number]>(`(() => { const own = ${element}; own.scrollIntoView({ block: "center" }); const { x, y, width, height } = own.getBoundingClientRect(); return [Math.round(x + width / 2), Math.round(y + height / 2)]; })()`);
    const actions = [{ type: "pointerMove", x, y }, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 }];
    await this.command("input.performActions", { context: this.context, actions: [{ type: "pointer", id: "mouse", parameters: { pointerType: "mouse" }, actions }] });
  }

  /** Characters, or one key by its name, wherever the focus is. */
  async type(...keys: string[]): Promise<void> {
    const values = keys.flatMap((key) => (KEYS[key] === undefined ? [...key] : [KEYS[key]]));
    const actions = values.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]);
    await this.command("input.performActions", { context: this.context, actions: [{ type: "key", id: "keyboard", actions }] });
  }

  /** Drops files that lie on the disk onto the page. */
  async drop(paths: readonly string[]): Promise<void> {
    await this.until(`document.querySelector("footer")`);
    await this.evaluate(`(() => { const input = document.createElement("input"); Object.assign(input, { type: "file", multiple: true, id: "test-files" }); document.body.append(input); })()`);
    const { nodes } = (await this.command("browsingContext.locateNodes", { context: this.context, locator: { type: "css", value: "#test-files" } })) as { nodes: { sharedId: string }[] };
    await this.command("input.setFiles", { context: this.context, element: { sharedId: nodes[0]!.sharedId }, files: paths });
    await this.evaluate(`(async () => {
      const input = document.querySelector("#test-files"), data = new DataTransfer();
      for (const file of input.files) data.items.add(file);
      input.remove();
      const root = document.querySelector("#root > div");
      const fire = (type) => root.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
      fire("dragenter");
      fire("dragover");
      await new Promise((resolve) => setTimeout(resolve, 100));
      fire("drop");
    })()`);
  }

  /** What stands in the serial terminal; nothing while the screen is shown. */
  serial(): Promise<string> {
    return this.evaluate(`[...document.querySelectorAll("[role=tabpanel]:not([hidden]) .xterm-rows > div")].filter((row) => row.closest("[role=application]") === null).map((row) => row.textContent ?? "").join("\\n")`);
  }

  async untilSerial(text: string, timeoutMs = 90_000): Promise<void> {
    for (const end = Date.now() + timeoutMs; !(await this.serial()).includes(text); ) {
      if (Date.now() > end) throw new Error(`"${text}" did not come. The console shows:\n${await this.serial()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  private command(method: string, params: object): Promise<Answer> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  private receive(message: Answer): void {
    if (message.type === "event") {
      const { level, type, text } = message.params as { level: string; type: string; text: string | null };
      if (level === "error" && type === "javascript") this.problems.push(text ?? "");
      return;
    }
    const pending = this.pending.get(message.id as number);
    this.pending.delete(message.id as number);
    if (message.type === "success") pending?.resolve(message.result as Answer);
    else pending?.reject(new Error(`${String(message.error)}: ${String(message.message)}`));
  }
}
