// The bundled guests: one click boots one under the technique that it was written for.

import { useObservable, usePage } from "../hooks.ts";
import { GuestCards } from "./GuestCards.tsx";

export function GuestList({ compact = false, onChosen }: { readonly compact?: boolean; readonly onChosen?: () => void }): React.JSX.Element {
  const page = usePage();
  const guests = useObservable(page.guests);
  const { techniques } = useObservable(page.session.state);
  return (
    <GuestCards
      guests={guests} techniques={techniques} compact={compact} onChoose={(guest) => {
        onChosen?.();
        void page.bootGuest(guest);
      }}
    />
  );
}
