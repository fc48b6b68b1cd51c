// The labs as cards.

import { useEffect } from "react";
import { useObservable, usePage } from "../hooks.ts";
import cards from "../panels/GuestList.module.css";

export function LabCards(): React.JSX.Element {
  const page = usePage();
  const { list } = useObservable(page.labs.state);
  useEffect(() => void page.labs.load(), [page]);
  return (
    <ul className={cards.cards}>
      {(list ?? []).map((lab) => (
        <li key={lab.id}>
          <button type="button" className={cards.card} data-lab={lab.id} onClick={() => void page.openLab(lab.id)}>
            <span className={cards.head}><code>{lab.id}</code><span className={cards.tag}>{lab.steps.length} runs</span></span>
            <span className={cards.title}>{lab.title}</span>
            <span className={cards.text}>{lab.question}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
