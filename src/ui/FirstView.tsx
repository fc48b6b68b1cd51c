// What is painted while the rest of the page is still on its way: the same bar and cards, that can be pressed already.

import { useEffect, useState } from "react";
import { fetchGuests, type GuestCard } from "../store/guests.ts";
import styles from "./App.module.css";
import { Brand } from "./panels/Brand.tsx";
import { GuestCards } from "./panels/GuestCards.tsx";
import barStyles from "./panels/TopBar.module.css";
import { Welcome } from "./panels/Welcome.tsx";
import workspaceStyles from "./Workspace.module.css";

/** Parameters of the address that show something else than the cards. */
const OTHERS = ["guest", "image", "lab"];

export function FirstView({ search, base, onChoose, onFiles }: {
  readonly search: string; readonly base: string; readonly onChoose: (id: string) => void; readonly onFiles: (files: readonly File[]) => void;
}): React.JSX.Element {
  const [guests, setGuests] = useState<readonly GuestCard[] | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const query = new URLSearchParams(search);
  const plain = !OTHERS.some((name) => query.has(name)) && query.get("view") !== "compare";
  useEffect(() => {
    // What goes wrong here goes wrong again in the page, which says it.
    if (plain) fetchGuests((url) => fetch(url), base).then(setGuests, () => {});
  }, [plain, base]);
  return (
    <div
      className={styles.app} onDragOver={(event) => event.preventDefault()} onDrop={(event) => {
        event.preventDefault();
        onFiles([...event.dataTransfer.files]);
      }}
    >
      <header className={barStyles.bar}><Brand /></header>
      <main className={workspaceStyles.welcome}>
        {plain ? (
          <Welcome
            busy={null} guests={<GuestCards
              guests={guests} techniques={null} chosen={chosen} onChoose={({ id }) => {
                setChosen(id);
                onChoose(id);
              }}
            />}
          />
        ) : null}
      </main>
    </div>
  );
}
