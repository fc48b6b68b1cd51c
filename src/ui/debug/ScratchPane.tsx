// A program of at most 512 bytes, written here: run as a boot sector, or put where the machine is.

import { useMemo, useState } from "react";
import { type Assembly, assemble } from "../../isa/assembler.ts";
import { hexBytes } from "../../trace/trap-fields.ts";
import { hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./debug.module.css";

const SECTOR = 512, SIGNATURE = 510, BOOT_ADDRESS = 0x7c00;
const CS = 1, CODE_32 = 0x4000;

const EXAMPLE = `; The BIOS loads these 512 bytes to 7C00h and jumps there.
org 0x7c00
bits 16

start:  xor ax, ax
        mov ds, ax
        pushf               ; what does the guest see of IF?
        pop dx
        mov si, text
.next:  lodsb
        test al, al
        jz .end
        out 0xe9, al        ; the debug port
        jmp .next
.end:   xor al, al
        out 0xf4, al        ; ends the machine with success
text:   db "Hello from ring 0", 10, 0
`;

/** The program as a disk: padded, with the signature that a BIOS looks for. Null: it does not fit. */
function bootSector({ bytes }: Assembly): Uint8Array | null {
  const signed = bytes.length === SECTOR && bytes[SIGNATURE] === 0x55 && bytes[SIGNATURE + 1] === 0xaa;
  if (bytes.length > SIGNATURE && !signed) return null;
  const sector = new Uint8Array(SECTOR);
  sector.set(bytes);
  sector[SIGNATURE] = 0x55;
  sector[SIGNATURE + 1] = 0xaa;
  return sector;
}

export function ScratchPane(): React.JSX.Element {
  const session = useSession();
  const { debug, registers } = session;
  const { run, phase } = useObservable(session.state);
  const [source, setSource] = useState(EXAMPLE);
  const assembly = useMemo(() => assemble(source, { origin: BOOT_ADDRESS, most: SECTOR }), [source]);
  const { errors, bytes, lines } = assembly;
  const sector = errors.length === 0 ? bootSector(assembly) : null;
  const stopped = phase === "live" && run?.kind === "paused";
  const boot = (): void => {
    if (!sector) return;
    session.boot({ ...session.state.get().options, drives: { fda: { name: "scratch.img", data: sector } } }, "Scratch program");
  };
  /** As the code there is read: by the present size of code, from the next instruction on. */
  const insert = (): void => {
    const own = registers.state.get().registers, segment = own?.virtual.segments[CS];
    if (!own || !segment) return;
    const here = assemble(source.replace(/^\s*(org|bits)\b.*$/gim, ""), { origin: own.eip, code32: (segment.access & CODE_32) !== 0, most: SECTOR });
    if (here.errors.length > 0) session.notice(`The program cannot stand there: line ${here.errors[0]!.line + 1}, ${here.errors[0]!.message}.`);
    else debug.edit({ kind: "memory", space: "linear", address: (segment.base + own.eip) >>> 0, bytes: here.bytes });
  };
  return (
    <div className={styles.pane}>
      <div className={styles.bar}>
        <button type="button" className="primary" disabled={!sector} onClick={boot} title="Start a machine from it, under the chosen technique">Boot it</button>
        <button type="button" disabled={!stopped || errors.length > 0} onClick={insert} title="Write it over the code at EIP">Put at EIP</button>
        <button type="button" disabled={!sector} onClick={() => sector && session.saveFile("scratch.img", sector)}>Save as image</button>
        <span className={styles.place}>{bytes.length} of {SECTOR} bytes</span>
      </div>
      <div className={styles.editor}>
        <textarea aria-label="Program" value={source} spellCheck={false} autoComplete="off" autoCapitalize="off" wrap="off" aria-invalid={errors.length > 0} aria-describedby="scratch-errors" onChange={(event) => setSource(event.target.value)} />
        <ol className={styles.listing} aria-label="Listing" tabIndex={0}>
          {lines.map(({ line, address, bytes: own }) => (
            <li key={line}><span className={styles.linear}>{address > 0xffff ? hex8(address) : hex4(address)}</span> <span>{hexBytes(own.subarray(0, 8), " ")}{own.length > 8 ? " …" : ""}</span> <span className={styles.target}>{line + 1}</span></li>
          ))}
        </ol>
      </div>
      <div id="scratch-errors" className={styles.errors} role="status">
        {errors.slice(0, 6).map(({ line, message }) => <p key={`${line} ${message}`} className={styles.wrong}>Line {line + 1}: {message}.</p>)}
        {errors.length === 0 && !sector ? <p className={styles.wrong}>{SIGNATURE} bytes fit before the signature of a boot sector.</p> : null}
      </div>
    </div>
  );
}
