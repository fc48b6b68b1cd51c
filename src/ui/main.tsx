// Paints the first view at once, then loads the page and gives it the place.

import { createRoot } from "react-dom/client";
import type { EarlyWishes } from "./application.tsx";
import { FirstView } from "./FirstView.tsx";
import "./theme.css";

const element = document.getElementById("root");
if (!element) throw new Error("index.html has no #root");
const root = createRoot(element);
const wishes: EarlyWishes = { guest: null, files: [] };
root.render(<FirstView search={window.location.search} base={import.meta.env.BASE_URL} onChoose={(id) => { wishes.guest = id; }} onFiles={(files) => { wishes.files = files; }} />);
void import("./application.tsx").then(({ startApplication }) => startApplication(root, wishes));
