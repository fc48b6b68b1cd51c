// Paints the first view at once, then loads the page and gives it the place.

import { createRoot } from "react-dom/client";
import { FirstView } from "./FirstView.tsx";
import "./theme.css";

const element = document.getElementById("root");
if (!element) throw new Error("index.html has no #root");
const root = createRoot(element);
let chosen: string | null = null;
root.render(<FirstView search={window.location.search} base={import.meta.env.BASE_URL} onChoose={(id) => { chosen = id; }} />);
void import("./application.tsx").then(({ startApplication }) => startApplication(root, () => chosen));
