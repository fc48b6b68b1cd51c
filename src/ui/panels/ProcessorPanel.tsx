// Registers, and the code that runs next.

import { useState } from "react";
import { useObservable, usePage } from "../hooks.ts";
import { Tabs } from "../widgets/Tabs.tsx";
import { CodeView } from "./CodeView.tsx";
import { RegisterView } from "./RegisterView.tsx";
import styles from "./ProcessorPanel.module.css";

export function ProcessorPanel(): React.JSX.Element {
  const { settings } = usePage();
  const { view } = useObservable(settings.state);
  const [tab, setTab] = useState("registers");
  if (view === "debug") {
    return (
      <div className={styles.both}>
        <Tabs label="Processor" active="registers" onSelect={setTab} tabs={[{ id: "registers", label: "Registers", content: <RegisterView /> }]} />
        <Tabs label="Code" active="code" onSelect={setTab} tabs={[{ id: "code", label: "Code", content: <CodeView /> }]} />
      </div>
    );
  }
  return (
    <Tabs
      label="Processor" active={tab} onSelect={setTab} tabs={[
        { id: "registers", label: "Registers", content: <RegisterView /> },
        { id: "code", label: "Code", content: <CodeView /> },
      ]}
    />
  );
}
