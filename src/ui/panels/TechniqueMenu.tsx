// Technique, ring and processor switches. Changing them takes effect while the guest runs.

import type { ProcessorSet, Ring, ShadowMode, TechniqueId } from "../../protocol/technique.ts";
import { PROCESSOR_SWITCHES, shadowModeOf, TECHNIQUE_SHADOWS, TECHNIQUES } from "../../protocol/technique.ts";
import type { MachineConfig } from "../../protocol/commands.ts";
import { type BootKind, predict } from "../../trace/prediction.ts";
import { useObservable, useSession } from "../hooks.ts";
import { SHADOW_TEXTS, SWITCH_TEXTS, TECHNIQUE_TEXTS } from "../texts.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./TechniqueMenu.module.css";

/** scan follows so many branch targets at once, unless told otherwise. */
const USUAL_DEPTH = 32, DEEPEST = 64;

/** What the machine that runs, or ran last, began as. */
function bootKind(config: MachineConfig): BootKind {
  return config.kernel ? "linux" : config.multiboot ? "multiboot" : "drive";
}

export function TechniqueMenu(): React.JSX.Element {
  const session = useSession();
  const { options, techniques } = useObservable(session.state);
  const { technique, ring, set } = options;
  const change = (changes: { technique?: TechniqueId; ring?: Ring; set?: ProcessorSet }): void =>
    session.setTechnique(changes.technique ?? technique, changes.ring ?? ring, { ...set, ...changes.set });
  const shadows = TECHNIQUE_SHADOWS[technique] ?? [];
  const { started } = session;
  const foretold = (id: TechniqueId) => (started === null ? null : predict(id, set, bootKind(started.config), session.executed()));
  const on = PROCESSOR_SWITCHES.filter((name) => set[name]);
  const label = (
    <>
      <span className={`${styles.caption} ${styles.what}`}>Technique</span>
      <strong>{technique}</strong>
      {technique === "emulate" ? null : <span className={styles.caption}>{`ring ${ring}${on.length > 0 ? ` · ${on.join(" ")}` : ""}`}</span>}
      <span aria-hidden="true">▾</span>
    </>
  );
  return (
    <Menu label={label} title="Virtualization technique" id="technique" className={styles.button}>
      {() => (
        <div className={styles.menu}>
          <fieldset>
            <legend>Technique, switched while the guest runs</legend>
            {TECHNIQUES.map((id) => {
              const built = techniques.includes(id), prediction = foretold(id);
              return (
                <label key={id} className={styles.option} data-disabled={!built}>
                  <input type="radio" name="technique" value={id} checked={id === technique} disabled={!built} onChange={() => change({ technique: id })} />
                  <span>
                    <span className={styles.name}><code>{id}</code> {TECHNIQUE_TEXTS[id].name}{built ? null : <em> not built yet</em>}</span>
                    <span className={styles.line}>{TECHNIQUE_TEXTS[id].line}</span>
                    {prediction ? <span className={styles.foretold} data-verdict={prediction.verdict}>{`This guest: ${prediction.text}`}</span> : null}
                  </span>
                </label>
              );
            })}
          </fieldset>
          <div className={styles.side}>
            <fieldset disabled={technique === "emulate"}>
              <legend>The guest's kernel runs in</legend>
              <div className={styles.row}>
                {([1, 3] as const).map((own) => (
                  <label key={own}><input type="radio" name="ring" checked={ring === own} onChange={() => change({ ring: own })} /> ring {own}</label>
                ))}
              </div>
            </fieldset>
            <fieldset disabled={technique === "emulate"}>
              <legend>Processor under the monitor</legend>
              {PROCESSOR_SWITCHES.map((name) => (
                <label key={name} className={styles.option}>
                  <input type="checkbox" checked={set[name] === true} onChange={(event) => change({ set: { [name]: event.target.checked } })} />
                  <span><code className={styles.name}>{name}</code><span className={styles.line}>{SWITCH_TEXTS[name]}</span></span>
                </label>
              ))}
            </fieldset>
            {shadows.length > 1 ? (
              <fieldset>
                <legend>Shadow page tables</legend>
                <select aria-label="How the shadow page tables follow the guest's" value={shadowModeOf(technique, set)} onChange={(event) => change({ set: { shadow: event.target.value as ShadowMode } })}>
                  {shadows.map((mode) => <option key={mode} value={mode}>{mode}{mode === shadows[0] ? " (usual)" : ""}</option>)}
                </select>
                <span className={styles.line}>{SHADOW_TEXTS[shadowModeOf(technique, set)]}</span>
              </fieldset>
            ) : null}
            {technique === "scan" ? (
              <fieldset>
                <legend>What scanning does not know</legend>
                <label className={styles.row}>
                  <span>prescan depth</span>
                  <input type="range" min="1" max={DEEPEST} value={set["scan-depth"] ?? USUAL_DEPTH} onChange={(event) => change({ set: { "scan-depth": Number(event.target.value) } })} />
                  <output>{set["scan-depth"] ?? USUAL_DEPTH}</output>
                </label>
                <div className={styles.row}>
                  {(["tlbs", "harvard"] as const).map((own) => <label key={own}><input type="radio" name="scan-views" checked={(set["scan-views"] ?? "tlbs") === own} onChange={() => change({ set: { "scan-views": own } })} /> {own === "tlbs" ? "its two TLBs" : "Harvard, hypothetical"}</label>)}
                </div>
                <div className={styles.row}>
                  {(["strict", "lax"] as const).map((own) => <label key={own}><input type="radio" name="scan" checked={(set.scan ?? "strict") === own} onChange={() => change({ set: { scan: own } })} /> {own}</label>)}
                </div>
              </fieldset>
            ) : null}
            {technique === "hybrid" ? (
              <fieldset>
                <legend>What runs directly</legend>
                <div className={styles.row}>
                  {(["user", "kernel"] as const).map((own) => <label key={own}><input type="radio" name="hybrid" checked={(set.hybrid ?? "user") === own} onChange={() => change({ set: { hybrid: own } })} /> {own === "user" ? "programs" : "clean kernel code, too"}</label>)}
                </div>
              </fieldset>
            ) : null}
            {technique === "lite" ? (
              <fieldset>
                <legend>A kernel that was not built for it</legend>
                <div className={styles.row}>
                  {(["checked", "anyway"] as const).map((own) => <label key={own}><input type="radio" name="lite" checked={(set.lite ?? "checked") === own} onChange={() => change({ set: { lite: own } })} /> {own === "checked" ? "refuse" : "run anyway"}</label>)}
                </div>
              </fieldset>
            ) : null}
          </div>
        </div>
      )}
    </Menu>
  );
}
