// The pages beside the workspace that have its rail: Esc closes the menus.

import * as menus from "./menus.js";

menus.start();
document.addEventListener("keydown", (event) => event.key === "Escape" && menus.close());
