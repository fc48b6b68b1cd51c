// The page itself: its stores and its components.

import type { Root } from "react-dom/client";
import { browserEnvironment, Page } from "../store/page.ts";
import { App } from "./App.tsx";

/** What a person asked for before the page was there. */
export interface EarlyWishes {
  guest: string | null;
  files: readonly File[];
}

export async function startApplication(root: Root, wishes: EarlyWishes): Promise<void> {
  const page = new Page(browserEnvironment());
  root.render(<App page={page} />);
  await page.start();
  if (wishes.files.length > 0) return page.session.offer(wishes.files.map((file) => ({ name: file.name, data: file })), null);
  const guest = (page.guests.get() ?? []).find(({ id }) => id === wishes.guest);
  if (guest) await page.bootGuest(guest);
}
