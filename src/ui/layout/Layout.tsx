// The panes of a preset in their areas, with bars between them that can be moved; one row of tabs where the window is narrow.

import { Suspense, useEffect, useState } from "react";
import { DEFAULT_SETTINGS, type View } from "../../store/settings.ts";
import { useObservable, usePage } from "../hooks.ts";
import { PANES, type Pane } from "../panes.ts";
import { Splitter } from "../widgets/Splitter.tsx";
import { Tabs } from "../widgets/Tabs.tsx";
import styles from "./Layout.module.css";
import { type Area, type LayoutNode, type LayoutSplit, PRESETS } from "./presets.ts";

const NARROW = "(max-width: 1023px)";
const BAR_PIXELS = 5;
/** No pane becomes smaller than this part of its split, in percent. */
const SMALLEST = 12;

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => window.matchMedia(NARROW).matches);
  useEffect(() => {
    const query = window.matchMedia(NARROW);
    const change = (): void => setNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return narrow;
}

/** `hidden`: panes that have nothing to show now. */
export function Layout({ view, hidden = [] }: { readonly view: View; readonly hidden?: readonly string[] }): React.JSX.Element {
  const narrow = useNarrow();
  const panes = PANES.filter((pane) => pane.areas[view] !== undefined && !hidden.includes(pane.id));
  if (narrow) return <div className={styles.narrow}><PaneTabs label="Views" settingsKey={`${view}.narrow`} panes={panes} /></div>;
  const tree = pruned(PRESETS[view], new Set(panes.map((pane) => pane.areas[view])));
  return tree === null ? <p className={styles.loading}>Nothing to show.</p> : <Node node={tree} view={view} panes={panes} />;
}

/** Without the areas that no pane takes; null: nothing is left. */
function pruned(node: LayoutNode, used: ReadonlySet<Area | undefined>): LayoutNode | null {
  if (typeof node === "string") return used.has(node) ? node : null;
  const parts = node.parts.flatMap(({ node: part, share }) => {
    const left = pruned(part, used);
    return left === null ? [] : [{ node: left, share }];
  });
  return parts.length === 0 ? null : parts.length === 1 ? parts[0].node : { ...node, parts };
}

interface NodeProps {
  readonly view: View;
  readonly panes: readonly Pane[];
}

function Node({ node, view, panes }: NodeProps & { readonly node: LayoutNode }): React.JSX.Element {
  if (typeof node !== "string") return <Split node={node} view={view} panes={panes} />;
  return <PaneTabs label={`${node} panes`} settingsKey={`${view}.${node}`} panes={panes.filter((pane) => pane.areas[view] === node)} />;
}

function Split({ node, view, panes }: NodeProps & { readonly node: LayoutSplit }): React.JSX.Element {
  const { settings } = usePage();
  const { sizes } = useObservable(settings.state);
  // A split has sizes of its own for each number of parts: the guide comes and goes.
  const key = `${view}.${node.name}.${node.parts.length}`;
  const all = node.parts.reduce((sum, part) => sum + part.share, 0);
  const own = sizes[key];
  const shares = own?.length === node.parts.length ? own : node.parts.map((part) => (part.share * 100) / all);
  const rows = node.split === "rows";
  const before = (index: number): number => shares.slice(0, index).reduce((sum, share) => sum + share, 0);
  const move = (index: number, percent: number): void => {
    const next = [...shares], both = shares[index] + shares[index + 1];
    next[index] = Math.min(both - SMALLEST, Math.max(SMALLEST, percent - before(index)));
    next[index + 1] = both - next[index];
    settings.patch({ sizes: { ...settings.state.get().sizes, [key]: next } });
  };
  const reset = (): void => {
    const { [key]: _, ...others } = settings.state.get().sizes;
    settings.patch({ sizes: others });
  };
  const template = shares.map((share) => `minmax(0, ${share}fr)`).join(` ${BAR_PIXELS}px `);
  return (
    <div className={rows ? styles.rows : styles.columns} style={rows ? { gridTemplateRows: template } : { gridTemplateColumns: template }}>
      {node.parts.flatMap((part, index) => {
        const name = typeof part.node === "string" ? part.node : part.node.name;
        const content = <Node key={name} node={part.node} view={view} panes={panes} />;
        if (index === node.parts.length - 1) return [content];
        return [content, (
          <Splitter
            key={`${name}|`} label={`${rows ? "Height" : "Width"} of ${name}`} orientation={rows ? "horizontal" : "vertical"} value={before(index + 1)}
            min={before(index) + SMALLEST} max={before(index + 2) - SMALLEST} onChange={(percent) => move(index, percent)} onReset={reset}
          />
        )];
      })}
    </div>
  );
}

function PaneTabs({ label, settingsKey, panes }: { readonly label: string; readonly settingsKey: string; readonly panes: readonly Pane[] }): React.JSX.Element {
  const { settings } = usePage();
  const { tabs } = useObservable(settings.state);
  const [first] = panes;
  const body = (pane: Pane): React.JSX.Element => (
    <Suspense fallback={<p className={styles.loading}>Loading…</p>}><pane.component /></Suspense>
  );
  if (panes.length === 1 && first.bare) return <div className={styles.area}>{body(first)}</div>;
  return (
    <Tabs
      label={label} active={tabs[settingsKey] ?? DEFAULT_SETTINGS.tabs[settingsKey] ?? first.id}
      onSelect={(id) => settings.patch({ tabs: { ...settings.state.get().tabs, [settingsKey]: id } })}
      tabs={panes.map((pane) => ({ id: pane.id, label: pane.title, content: body(pane), ...(pane.keep ? { keep: true } : {}) }))}
    />
  );
}
