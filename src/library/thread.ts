// A worker as browsers and Node have it, seen the same way from both of its ends.

/** One end: messages go to the other one. */
export interface Port<Out, In> {
  post(message: Out, transfer?: ArrayBuffer[]): void;
  listen(receive: (message: In) => void): void;
}

export interface Thread<Out, In> extends Port<Out, In> {
  /** The worker could not be loaded, or an error left it. */
  onFailure(tell: (message: string) => void): void;
  close(): Promise<void>;
}

/** What is used of Node's worker_threads. */
interface NodePort {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  on(event: "message" | "error" | "messageerror", listener: (value: never) => void): void;
}
interface NodeThreads {
  readonly Worker: new (script: URL) => NodePort & { terminate(): Promise<unknown> };
  readonly parentPort: NodePort | null;
}

/** Undefined in a browser. It is asked for by name, so that one file serves both. */
function nodeThreads(): NodeThreads | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return process?.getBuiltinModule?.("node:worker_threads") as NodeThreads | undefined;
}

export function openThread<Out, In>(script: URL): Thread<Out, In> {
  const node = nodeThreads();
  if (node) {
    const worker = new node.Worker(script);
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen: (receive) => worker.on("message", receive as (value: never) => void),
      onFailure: (tell) => worker.on("error", ((error: Error) => tell(error.message)) as (value: never) => void),
      close: async () => void (await worker.terminate()),
    };
  }
  const worker = new Worker(script, { type: "module", name: "trapscope" });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (receive) => worker.addEventListener("message", (event: MessageEvent<In>) => receive(event.data)),
    // Browsers give no message when the script itself was blocked.
    onFailure: (tell) => worker.addEventListener("error", (event) => tell(event.message || "The worker script could not be loaded. Its server must send Cross-Origin-Embedder-Policy: require-corp with it, too.")),
    close: async () => worker.terminate(),
  };
}

/** In the worker: the way back. */
export function ownPort<Out, In>(): Port<Out, In> {
  const parent = nodeThreads()?.parentPort;
  if (parent) return { post: (message, transfer) => parent.postMessage(message, transfer), listen: (receive) => parent.on("message", receive as (value: never) => void) };
  return {
    post: (message, transfer = []) => self.postMessage(message, { transfer }),
    listen: (receive) => self.addEventListener("message", (event: MessageEvent<In>) => receive(event.data)),
  };
}

let channel: MessageChannel | null = null;

/** In the worker: goes on behind the messages that wait. A browser's setTimeout would rest for 4 ms each time (HTML Standard, "Timers"). */
export function afterMessages(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (go: () => void) => unknown };
  if (setImmediate) return new Promise((resolve) => void setImmediate(resolve));
  const { port1, port2 } = (channel ??= new MessageChannel());
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}
