// Starts the page.

import { createRoot } from "react-dom/client";
import { browserEnvironment, Page } from "../store/page.ts";
import { App } from "./App.tsx";
import "./theme.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
const page = new Page(browserEnvironment());
createRoot(root).render(<App page={page} />);
void page.start();
