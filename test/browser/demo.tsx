// The page over the pretended machine of test/support: for looking at it and for measuring it (?events=N a 16 ms slice).

import { createRoot } from "react-dom/client";
import { browserEnvironment, Page } from "../../src/store/page.ts";
import { App } from "../../src/ui/App.tsx";
import { openDemoClient } from "../support/demo-client.ts";
import "../../src/ui/theme.css";

const events = Number(new URLSearchParams(window.location.search).get("events") ?? 3);
const page = new Page(browserEnvironment(openDemoClient(events)));
const root = document.getElementById("root");
if (root) createRoot(root).render(<App page={page} />);
void page.start();
