import { follow } from './stream.js';

const bar = document.querySelector('#bar');
const said = document.querySelector('#said');

const watch = (job) => {
  const show = ({ done, total }) => {
    bar.max = total;
    bar.value = done;
    said.textContent = done === total ? 'done' : `${Math.round((100 * done) / total)} %`;
    if (done === total) stream.close(); // the job has no further events, and EventSource would reconnect for ever
  };
  // The end of the job may be among the events that were missed, so its state is fetched.
  const missed = async () => {
    const answer = await fetch(`jobs/${job}`);
    if (answer.ok) show(await answer.json());
    else said.textContent = 'there is no such job';
  };
  const stream = follow(new EventSource(`events?topic=jobs/${job}&last=1`), missed);
  for (const type of ['progress', 'done']) stream.addEventListener(type, (e) => show(JSON.parse(e.data)));
};

document.querySelector('#start').addEventListener('click', async () => {
  const response = await fetch('jobs', { method: 'POST' });
  location.hash = await response.text();
  watch(location.hash.slice(1));
});

if (location.hash) watch(location.hash.slice(1)); // the page was reloaded
