// MIPS, traps a second, the monitor's share.

import { short } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { Sparkline } from "../widgets/Sparkline.tsx";
import styles from "./Meter.module.css";

export function Meter(): React.JSX.Element {
  const session = useSession();
  const meter = useObservable(session.meter.state);
  const { run } = useObservable(session.state);
  const running = run?.kind === "running";
  return (
    <dl className={styles.meter}>
      <div title="Millions of guest instructions a second">
        <dt>MIPS</dt>
        <dd>{running ? (meter.waiting && meter.mips < 1 ? "idle" : meter.mips.toFixed(meter.mips < 10 ? 2 : 1)) : "–"}</dd>
      </div>
      <div title="Exits of the processor a second">
        <dt>traps/s</dt>
        <dd>{running ? short(meter.rates.traps.perSecond) : "–"}</dd>
      </div>
      <Sparkline values={meter.rates.traps.history} />
      {meter.monitorShare !== null ? (
        <div title="Part of the time spent in the monitor">
          <dt>monitor</dt>
          <dd>{running ? `${Math.round(meter.monitorShare * 100)} %` : "–"}</dd>
        </div>
      ) : null}
    </dl>
  );
}
