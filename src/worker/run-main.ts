// The worker that does one whole run.

import type { RunEvent, RunRequest } from "../protocol/run.ts";
import { mediumSource } from "./blob-source.ts";
import { perform } from "./run-job.ts";

self.onmessage = (message: MessageEvent<RunRequest>) =>
  perform(message.data, {
    post: (event: RunEvent) => self.postMessage(event),
    open: (medium) => ({ name: medium.name, source: mediumSource(medium) }),
    wallNs: () => performance.now() * 1e6,
  });
