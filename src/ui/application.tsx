// The page itself: its stores and its components.

import type { Root } from "react-dom/client";
import { browserEnvironment, Page } from "../store/page.ts";
import { App } from "./App.tsx";

/** `chosen`: the guest that was pressed before the page was there. */
export async function startApplication(root: Root, chosen: () => string | null): Promise<void> {
  const page = new Page(browserEnvironment());
  root.render(<App page={page} />);
  await page.start();
  const guest = (page.guests.get() ?? []).find(({ id }) => id === chosen());
  if (guest) await page.bootGuest(guest);
}
