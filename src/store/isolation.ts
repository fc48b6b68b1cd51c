// Shared memory needs a page that is isolated from other origins. Where it is not, this says which header is missing.

export interface IsolationProblem {
  readonly reason: string;
  readonly whatToDo: string;
  /** Header lines to copy; empty where headers are not the cause. */
  readonly headers: readonly string[];
}

export interface IsolationEnvironment {
  readonly isSecureContext: boolean;
  readonly crossOriginIsolated: boolean;
  readonly hasSharedArrayBuffer: boolean;
  /** The page's own response headers, or null when they could not be asked for. */
  readonly headers: () => Promise<Headers | null>;
}

const REQUIRED: readonly (readonly [name: string, value: string, accepted: readonly string[]])[] = [
  ["Cross-Origin-Opener-Policy", "same-origin", ["same-origin"]],
  ["Cross-Origin-Embedder-Policy", "require-corp", ["require-corp", "credentialless"]],
];

export async function findIsolationProblem(environment: IsolationEnvironment): Promise<IsolationProblem | null> {
  if (environment.crossOriginIsolated && environment.hasSharedArrayBuffer) return null;
  if (!environment.isSecureContext) {
    return { reason: "This page was loaded over plain HTTP.", whatToDo: "Open it over HTTPS, or from localhost: browsers share memory between threads only there.", headers: [] };
  }
  const headers = await environment.headers();
  const missing = REQUIRED.filter(([name, , accepted]) => !accepted.includes(headers?.get(name)?.split(";")[0].trim() ?? ""));
  if (headers && missing.length > 0) {
    return {
      reason: `The server does not send ${missing.map(([name]) => name).join(" and ")} with this page.`,
      whatToDo: "Add these lines to the server's answer, for the page and for its scripts:",
      headers: missing.map(([name, value]) => `${name}: ${value}`),
    };
  }
  return {
    reason: "This page is not cross-origin isolated, so that it may not share memory between threads.",
    whatToDo: "If it is embedded in another page, open it in a tab of its own. Otherwise its server must send:",
    headers: REQUIRED.map(([name, value]) => `${name}: ${value}`),
  };
}
