// Assembles the page. The parts receive every element that has an id, by that id in camel case: #watch-log is page.watchLog.

import { Clock } from "./clock.mjs";
import { Publish } from "./publish.mjs";
import { Resume } from "./resume.mjs";
import { Watch } from "./watch.mjs";

const page = {};
for (const element of document.querySelectorAll("[id]")) {
  page[element.id.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())] = element;
}

const watch = new Watch(page, (event) => resume.heard(event));
const resume = new Resume(page, watch);
const clock = new Clock(page, (tick) => resume.witnessed(tick));
new Publish(page);
clock.open();
