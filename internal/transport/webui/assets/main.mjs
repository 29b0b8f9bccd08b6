// Assembles the page. The parts receive every element that has an id, by that id in camel case: #watch-log is page.watchLog.

import { Clock } from "./clock.mjs";
import { Publish } from "./publish.mjs";
import { Resume } from "./resume.mjs";
import { Watch } from "./watch.mjs";

const page = {};
for (const element of document.querySelectorAll("[id]")) {
  page[element.id.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())] = element;
}

// Whichever stream reaches the server first after an outage tells the other one.
const watch = new Watch(page, {
  onEvent: (event) => resume.heard(event),
  onState: (state) => {
    resume.changed();
    if (state === "live") clock.hurry();
  },
  onStart: () => resume.clear(),
});
const resume = new Resume(page, watch);
const clock = new Clock(page, { onLive: () => watch.hurry() });
new Publish(page);
clock.open();
