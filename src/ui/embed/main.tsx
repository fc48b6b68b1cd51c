// The page inside another one: a guest's console and its traps, without what belongs to a page of its own. docs/embedding.md.

import { createRoot } from "react-dom/client";
import { browserEnvironment, Page } from "../../store/page.ts";
import { downloadFile } from "../download.ts";
import { EmbedApp } from "./EmbedApp.tsx";
import { answerParent } from "./parent.ts";
import "../theme.css";

const element = document.getElementById("root");
if (!element) throw new Error("embed.html has no #root");
// The reader's own settings are not this page's to change, its address not to be shown, and a frame must not load itself again.
const { serviceWorker: _worker, replaceSearch: _replace, ...environment } = browserEnvironment();
const page = new Page({ ...environment, storage: null });
page.session.saveFile = downloadFile;
createRoot(element).render(<EmbedApp page={page} search={window.location.search} />);
if (window.parent !== window) answerParent(page, window.parent);
