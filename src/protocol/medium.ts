// A file that a person brought, as it crosses to a worker.

/** A File or Blob as this layer sees it: read lazily, slice by slice, in the worker. */
export interface BlobLike {
  readonly size: number;
  slice(start?: number, end?: number): BlobLike;
}

/** A file on a server that answers range requests: read in parts, when the guest asks. */
export interface RemoteFile {
  readonly url: string;
  readonly size: number;
}

export interface Medium {
  /** File name, for messages. */
  readonly name: string;
  readonly data: BlobLike | Uint8Array | RemoteFile;
  /** Files that came with it: some images are of several. */
  readonly beside?: readonly Medium[];
}
