// A file on a server, read by range requests (RFC 9110, "Range Requests") when the guest asks. A worker may wait for an answer.

import { ImageError } from "../base/errors.ts";
import { Recent } from "../block/container.ts";
import type { ByteSource } from "../hardware/device.ts";
import type { RemoteFile } from "../protocol/medium.ts";

/** Asked for at once, and how many such pieces are held. */
const PIECE_BYTES = 256 * 1024;
const PIECES = 128;
const ATTEMPTS = 3;
const PARTIAL_CONTENT = 206;

/** The answer to a request for `bytes=first-last`. */
export interface RangeAnswer {
  readonly status: number;
  readonly contentRange: string | null;
  readonly bytes: Uint8Array;
}

export type AskRange = (url: string, first: number, last: number) => RangeAnswer;

export function remoteSource({ url, size }: RemoteFile, ask: AskRange = askServer): ByteSource {
  const pieces = new Recent<Uint8Array>(PIECES);
  const fetchPiece = (index: number): Uint8Array => {
    const first = index * PIECE_BYTES, last = Math.min(size, first + PIECE_BYTES) - 1;
    for (let attempt = 1; ; attempt++) {
      try {
        return checked(url, first, last, size, ask(url, first, last));
      } catch (error) {
        if (error instanceof ImageError || attempt === ATTEMPTS) throw error instanceof ImageError ? error : new ImageError(`${url} does not answer any more. Check the connection, or download the file and drop it.`);
      }
    }
  };
  return {
    size,
    read(offset, into) {
      if (offset < 0 || offset + into.length > size) throw new RangeError(`read of ${into.length} bytes at ${offset} of ${size}`);
      for (let done = 0; done < into.length; ) {
        const index = Math.floor((offset + done) / PIECE_BYTES);
        const within = offset + done - index * PIECE_BYTES;
        const piece = pieces.get(index, () => fetchPiece(index)).subarray(within, within + into.length - done);
        into.set(piece, done);
        done += piece.length;
      }
    },
  };
}

/** A server that ignores the range would send all of the file, another version of it something else: neither is taken. */
function checked(url: string, first: number, last: number, size: number, { status, contentRange, bytes }: RangeAnswer): Uint8Array {
  if (status !== PARTIAL_CONTENT) throw new ImageError(`${url} answered with HTTP ${status} to a request for a part of it. Download the file and drop it on the page.`);
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? "");
  if (!match || Number(match[1]) !== first || Number(match[2]) !== last || bytes.length !== last - first + 1) {
    throw new ImageError(`${url} answered with another part than was asked for. Download the file and drop it on the page.`);
  }
  if (Number(match[3]) !== size) throw new ImageError(`${url} has changed on its server since it was opened. Open it again.`);
  return bytes;
}

function askServer(url: string, first: number, last: number): RangeAnswer {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.responseType = "arraybuffer";
  request.setRequestHeader("Range", `bytes=${first}-${last}`);
  request.send();
  return { status: request.status, contentRange: request.getResponseHeader("Content-Range"), bytes: new Uint8Array(request.response as ArrayBuffer) };
}
