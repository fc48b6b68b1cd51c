// The whole page takes files. While something is dragged over it, the places where it can go are shown.

import { useRef, useState } from "react";
import type { MediaTarget } from "../../protocol/image-info.ts";
import { useObservable, useSession } from "../hooks.ts";
import { TARGET_NAMES } from "../texts.ts";
import styles from "./DropZone.module.css";

const SHOWN: readonly MediaTarget[] = ["fda", "hda", "cdrom", "kernel", "initrd"];

/** A directory arrives as a File of its own that cannot be read. */
function isDirectory(item: DataTransferItem): boolean {
  return item.webkitGetAsEntry?.()?.isDirectory ?? false;
}

export function DropZone({ children, className }: { readonly children: React.ReactNode; readonly className?: string | undefined }): React.JSX.Element {
  const session = useSession();
  const { phase } = useObservable(session.state);
  const [over, setOver] = useState<MediaTarget | "anywhere" | null>(null);
  const depth = useRef(0);

  const hasFiles = (event: React.DragEvent): boolean => event.dataTransfer.types.includes("Files");
  const drop = (event: React.DragEvent): void => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth.current = 0;
    setOver(null);
    const target = event.target instanceof Element ? (event.target.closest("[data-target]")?.getAttribute("data-target") as MediaTarget | null) : null;
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const directory = items.find(isDirectory)?.getAsFile()?.name;
    if (directory !== undefined) {
      session.showProblem(`${directory} is a directory`, "A machine boots from one file that holds a whole disk.", "Drop the image file itself, or an image made of the directory.");
      return;
    }
    void session.offer([...event.dataTransfer.files].map((file) => ({ name: file.name, data: file })), target);
  };

  return (
    <div
      className={className}
      onDragEnter={(event) => {
        if (!hasFiles(event)) return;
        depth.current++;
        if (depth.current === 1) setOver("anywhere");
      }}
      onDragLeave={() => {
        depth.current = Math.max(0, depth.current - 1);
        if (depth.current === 0) setOver(null);
      }}
      onDragOver={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
        const target = event.target instanceof Element ? event.target.closest("[data-target]")?.getAttribute("data-target") : null;
        setOver((target as MediaTarget | null | undefined) ?? "anywhere");
      }}
      onDrop={drop}
    >
      {children}
      {over === null ? null : (
        <div className={styles.overlay} data-testid="drop-overlay">
          <p className={styles.title}>{phase === "live" ? "Drop to insert or boot" : "Drop to boot"}</p>
          <div className={styles.targets}>
            {SHOWN.map((target) => <div key={target} data-target={target} data-lit={over === target} className={styles.target}>{TARGET_NAMES[target]}</div>)}
          </div>
          <p>Anywhere else: detected by content. Nothing leaves this computer. <kbd>Esc</kbd> cancels.</p>
        </div>
      )}
    </div>
  );
}
