import { follow } from './stream.js';

const loads = [];

// last=60 is the last minute: the server keeps the events, one a second.
const stream = follow(new EventSource('events?topic=dashboard/load&last=60&presence=count'), () => (loads.length = 0));
stream.addEventListener('load', (e) => {
  loads.push(JSON.parse(e.data));
  if (loads.length > 60) loads.shift();
  document.querySelector('#load').textContent = loads.at(-1).toFixed(2);
  const most = Math.max(1, ...loads);
  document.querySelector('#bars').replaceChildren(...loads.map((value) => {
    const bar = document.createElement('div');
    bar.style.height = `${(100 * value) / most}%`;
    return bar;
  }));
});

stream.addEventListener('carillon.count', (e) => {
  document.querySelector('#audience').textContent = JSON.parse(e.data).streams;
});

// A page in the back/forward cache is not visible, and would still be counted as a stream.
addEventListener('pagehide', () => stream.close());
addEventListener('pageshow', (e) => e.persisted && location.reload());
