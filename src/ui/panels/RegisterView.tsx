// The processor: general registers, EFLAGS by name, segments with their hidden parts, control registers, tables.
// With a monitor attached, what the guest believes stands beside what the hardware holds wherever the two differ.

import { useRef, useState } from "react";
import { EDITABLE_REGISTERS } from "../../protocol/debug.ts";
import type { ContextSnapshot, RegisterSnapshot, SegmentValue, TableValue } from "../../protocol/register-view.ts";
import { CR0_BITS, CR4_BITS, EFLAGS_BITS, GPR_NAMES, SEGMENT_NAMES } from "../../protocol/register-view.ts";
import { hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./RegisterView.module.css";

export function RegisterView(): React.JSX.Element {
  const session = useSession();
  const { registers, changed } = useObservable(session.registers.state);
  const [sideBySide, setSideBySide] = useState(false);
  if (!registers) return <p className={styles.empty}>No machine.</p>;
  return (
    <div className={styles.view} tabIndex={0} role="region" aria-label="Registers">
      <General registers={registers} changed={changed} />
      <div className={styles.views}>
        <button type="button" aria-pressed={sideBySide} onClick={() => setSideBySide(!sideBySide)}>Three views side by side</button>
      </div>
      {sideBySide ? <ThreeViews registers={registers} /> : null}
      <Flags registers={registers} changed={changed} />
      <Segments registers={registers} changed={changed} />
      <System registers={registers} changed={changed} />
      {registers.hardware ? <p className={styles.legend}>Second values, marked <i className={styles.hw}>hw</i>: what the hardware really holds.</p> : null}
    </div>
  );
}

/** What the guest believes, what the hardware holds, and what bare metal would hold, row by row; the rows that differ stand out. */
function ThreeViews({ registers }: { readonly registers: RegisterSnapshot }): React.JSX.Element {
  const { virtual, hardware, truth } = registers;
  const flag = (shift: number, bits = 1) => (context: { readonly eflags: number }): string => String((context.eflags >>> shift) & ((1 << bits) - 1));
  type Shown = (context: ContextSnapshot) => string;
  const rows: readonly (readonly [name: string, shown: Shown, truth: string | null])[] = [
    ["CPL", ({ cpl }) => String(cpl), truth && String(truth.cpl)],
    ["EFLAGS", ({ eflags }) => hex8(eflags), truth && hex8(truth.eflags)],
    ["IF", flag(9), truth && flag(9)(truth)],
    ["IOPL", flag(12, 2), truth && flag(12, 2)(truth)],
    ["VIF VIP", (context) => `${flag(19)(context)} ${flag(20)(context)}`, truth && `${flag(19)(truth)} ${flag(20)(truth)}`],
    ...SEGMENT_NAMES.map((name, index) => [name, ({ segments }: ContextSnapshot) => hex4(segments[index].selector), truth && hex4(truth.selectors[index])] as const),
    ["CS base", ({ segments }) => hex8(segments[1].base), null],
    ["CS limit", ({ segments }) => hex8(segments[1].limit), null],
    ["GDTR", ({ gdtr }) => tableText(gdtr), truth && tableText(truth.gdtr)],
    ["IDTR", ({ idtr }) => tableText(idtr), truth && tableText(truth.idtr)],
    ["CR0", ({ cr0 }) => hex8(cr0), truth && hex8(truth.cr0)],
    ["CR3", ({ cr3 }) => hex8(cr3), null],
    ["CR4", ({ cr4 }) => hex8(cr4), null],
  ];
  return (
    <table className={styles.three}>
      <caption>{hardware ? "Virtual is what the guest believes, hardware what the processor holds, truth what bare metal would hold." : "No monitor: the guest owns the processor, and all three are one."}</caption>
      <thead><tr><th scope="col"><span className="hidden">register</span></th><th scope="col">virtual</th><th scope="col">hardware</th><th scope="col">truth</th></tr></thead>
      <tbody>
        {rows.map(([name, shown, metal]) => {
          const own = shown(virtual), real = hardware ? shown(hardware) : own, right = metal ?? own;
          return (
            <tr key={name}>
              <th scope="row">{name}</th><td>{own}</td>
              <td data-differs={real !== own}>{real}{real !== own ? <span className="hidden"> differs</span> : null}</td>
              <td data-wrong={right !== own}>{right}{right !== own ? <span className="hidden"> differs</span> : null}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

interface Props {
  readonly registers: RegisterSnapshot;
  readonly changed: ReadonlySet<string>;
}

/** A value; bold and underlined where it changed since the last stop. */
function Value({ text, changed, title }: { readonly text: string; readonly changed: boolean; readonly title?: string | undefined }): React.JSX.Element {
  return changed ? <b className={styles.changed} title={title ?? "changed since the last stop"}>{text}</b> : <span title={title}>{text}</span>;
}

/** A register that a person can change while the machine stands still: Enter or a press opens it. */
function Editable({ name, value, changed }: { readonly name: string; readonly value: number; readonly changed: boolean }): React.JSX.Element {
  const session = useSession();
  const { run, phase } = useObservable(session.state);
  const [typed, setTyped] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const register = EDITABLE_REGISTERS.find((own) => own === name.toLowerCase());
  if (!register || phase !== "live" || run?.kind !== "paused") return <Value text={hex8(value)} changed={changed} />;
  if (typed === null) {
    return (
      <button ref={button} type="button" className={styles.edit} aria-label={`${name} ${hex8(value)}, change`} title="Change it" onClick={() => setTyped(hex8(value))}>
        <Value text={hex8(value)} changed={changed} title="Change it" />
      </button>
    );
  }
  const valid = /^(0x)?[0-9a-f]{1,8}$/i.test(typed.trim());
  const done = (): void => {
    setTyped(null);
    requestAnimationFrame(() => button.current?.focus());
  };
  return (
    <input
      // biome-ignore lint/a11y/noAutofocus: the person has just asked for it
      autoFocus type="text" className={styles.editing} aria-label={`${name}, hexadecimal`} aria-invalid={!valid} value={typed} spellCheck={false} size={8} maxLength={10}
      onChange={(event) => setTyped(event.target.value)} onFocus={(event) => event.target.select()} onBlur={() => setTyped(null)} onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter" && valid) session.debug.edit({ kind: "register", name: register, value: Number.parseInt(typed.trim().replace(/^0x/i, ""), 16) });
        if ((event.key === "Enter" && valid) || event.key === "Escape") done();
      }}
    />
  );
}

function Hardware({ text, changed }: { readonly text: string; readonly changed: boolean }): React.JSX.Element {
  return <span className={styles.hardware}><i className={styles.hw}>hw</i><Value text={text} changed={changed} /></span>;
}

function General({ registers, changed }: Props): React.JSX.Element {
  return (
    <dl className={styles.general}>
      {[0, 3, 1, 2, 6, 7, 5, 4].map((index) => (
        <div key={index}><dt>{GPR_NAMES[index]}</dt><dd><Editable name={GPR_NAMES[index]} value={registers.gpr[index]} changed={changed.has(GPR_NAMES[index])} /></dd></div>
      ))}
      <div><dt>EIP</dt><dd><Editable name="EIP" value={registers.eip} changed={changed.has("EIP")} /></dd></div>
      <div>
        <dt>CPL</dt>
        <dd>
          <Value text={String(registers.virtual.cpl)} changed={changed.has("v.CPL")} />
          {registers.hardware && registers.hardware.cpl !== registers.virtual.cpl ? <Hardware text={String(registers.hardware.cpl)} changed={changed.has("h.CPL")} /> : null}
        </dd>
      </div>
    </dl>
  );
}

function Flags({ registers, changed }: Props): React.JSX.Element {
  const { virtual, hardware, truth } = registers;
  return (
    <div className={styles.section}>
      <h2>EFLAGS <Editable name="EFLAGS" value={virtual.eflags} changed={changed.has("v.EFLAGS")} />{hardware && hardware.eflags !== virtual.eflags ? <Hardware text={hex8(hardware.eflags)} changed={changed.has("h.EFLAGS")} /> : null}</h2>
      <ul className={styles.flags}>
        {EFLAGS_BITS.map(({ name, shift, bits, title }) => {
          const pick = (value: number): number => (value >>> shift) & ((1 << bits) - 1);
          const own = pick(virtual.eflags);
          const real = hardware ? pick(hardware.eflags) : own;
          const metal = truth && (name === "IF" || name === "IOPL" || name === "NT" || name === "TF") ? pick(truth.eflags) : own;
          return (
            <li key={name} data-set={own !== 0} data-differs={real !== own || metal !== own} title={title}>
              {name}<span className={styles.bit}>{own}</span>
              {real !== own ? <span className={styles.real} title="what the hardware holds">{`hw ${real}`}</span> : null}
              {metal !== own ? <span className={styles.metal} title="what bare metal would hold: the guest lost a write">{`bare metal ${metal}`}</span> : null}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** "code 32 DPL 0", "data rw", "TSS busy" ... from the access rights. SDM Vol. 3, "Segment Descriptors". */
function accessText(access: number): string {
  if (access & 0x1_0000) return "unusable";
  const present = access & 0x80 ? "" : " absent";
  const dpl = `DPL ${(access >> 5) & 3}`;
  if (access & 0x10) {
    const size = access & 0x4000 ? "32" : "16";
    return access & 8 ? `code${size} ${dpl}${access & 4 ? " conforming" : ""}${present}` : `data${size} ${access & 2 ? "rw" : "r"}${access & 4 ? " down" : ""} ${dpl}${present}`;
  }
  return `${["", "TSS16", "LDT", "TSS16 busy", "", "", "", "", "", "TSS", "", "TSS busy"][access & 15] || "system"} ${dpl}${present}`;
}

function sameSegment(x: SegmentValue, y: SegmentValue): boolean {
  return x.selector === y.selector && x.base === y.base && x.limit === y.limit && x.access === y.access;
}

function Segments({ registers, changed }: Props): React.JSX.Element {
  const cells = (segment: SegmentValue, name: string): React.JSX.Element => (
    <>
      <td><Value text={hex4(segment.selector)} changed={changed.has(`${name}.selector`)} /></td>
      <td><Value text={hex8(segment.base)} changed={changed.has(`${name}.base`)} /></td>
      <td><Value text={hex8(segment.limit)} changed={changed.has(`${name}.limit`)} /></td>
      <td className={styles.access}><Value text={accessText(segment.access)} changed={changed.has(`${name}.access`)} /></td>
    </>
  );
  return (
    <table className={styles.segments}>
      <caption className="hidden">Segment registers with their hidden parts</caption>
      <thead><tr><th scope="col">Segment</th><th scope="col">sel.</th><th scope="col">base</th><th scope="col">limit</th><th scope="col">access</th></tr></thead>
      <tbody>
        {SEGMENT_NAMES.flatMap((name, index) => {
          const own = registers.virtual.segments[index];
          const real = registers.hardware?.segments[index];
          const rows = [<tr key={name}><th scope="row">{name}</th>{cells(own, `v.${name}`)}</tr>];
          if (real && !sameSegment(own, real)) rows.push(<tr key={`${name}-hw`} className={styles.hardwareRow}><th scope="row"><i className={styles.hw}>hw</i></th>{cells(real, `h.${name}`)}</tr>);
          return rows;
        })}
      </tbody>
    </table>
  );
}

function bitNames(value: number, bits: readonly (readonly [string, number])[]): string {
  return bits.filter(([, shift]) => (value >>> shift) & 1).map(([name]) => name).join(" ");
}

function tableText(table: TableValue): string {
  return `${hex8(table.base)}/${hex4(table.limit)}`;
}

function System({ registers, changed }: Props): React.JSX.Element {
  const { virtual, hardware } = registers;
  const row = (name: string, text: (context: ContextSnapshot) => string, note: (context: ContextSnapshot) => string = () => ""): React.JSX.Element => {
    const own = text(virtual), real = hardware ? text(hardware) : own;
    return (
      <div key={name}>
        <dt>{name}</dt>
        <dd>
          <Value text={own} changed={changed.has(`v.${name}`)} /> <small>{note(virtual)}</small>
          {hardware && real !== own ? <><Hardware text={real} changed={changed.has(`h.${name}`)} /> <small>{note(hardware)}</small></> : null}
        </dd>
      </div>
    );
  };
  return (
    <dl className={styles.system}>
      {row("CR0", (context) => hex8(context.cr0), (context) => bitNames(context.cr0, CR0_BITS))}
      {row("CR2", (context) => hex8(context.cr2))}
      {row("CR3", (context) => hex8(context.cr3))}
      {row("CR4", (context) => hex8(context.cr4), (context) => bitNames(context.cr4, CR4_BITS))}
      {row("GDTR", (context) => tableText(context.gdtr))}
      {row("IDTR", (context) => tableText(context.idtr))}
      {["DR0", "DR1", "DR2", "DR3", "DR6", "DR7"].map((name, index) => row(name, (context) => hex8(context.dr[index])))}
    </dl>
  );
}
