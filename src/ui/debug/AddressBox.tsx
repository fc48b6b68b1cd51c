// A box for an address: hexadecimal digits, a register, a symbol, "esp+10", "es:di".

import { useId, useState } from "react";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./debug.module.css";

const SUGGESTED = 20, SHORTEST = 2;

export function AddressBox({ label, placeholder, onAddress, id, button = "Go" }: {
  readonly label: string; readonly placeholder?: string; readonly onAddress: (address: number, text: string) => void; readonly id?: string; readonly button?: string;
}): React.JSX.Element {
  const { debug } = useSession();
  const { symbols } = useObservable(debug.state);
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const list = useId(), message = useId();
  const go = (event: React.FormEvent): void => {
    event.preventDefault();
    const address = debug.resolve(text);
    setWrong(address === null);
    if (address !== null) onAddress(address, text.trim());
  };
  return (
    <form className={styles.address} onSubmit={go}>
      <input
        type="text" id={id} aria-label={label} placeholder={placeholder ?? "address or symbol"} value={text} list={symbols ? list : undefined} spellCheck={false} autoComplete="off"
        aria-invalid={wrong} aria-describedby={wrong ? message : undefined} onChange={(event) => { setText(event.target.value); setWrong(false); }}
      />
      {symbols && text.length >= SHORTEST ? <datalist id={list}>{symbols.search(text, SUGGESTED).map((name) => <option key={name} value={name} />)}</datalist> : null}
      <button type="submit">{button}</button>
      {wrong ? <span id={message} className={styles.wrong} role="status">no address or symbol</span> : null}
    </form>
  );
}
