const bar = document.querySelector('#bar');
const said = document.querySelector('#said');

const watch = (job) => {
  const stream = new EventSource(`events?topic=jobs/${job}&last=1`);
  const show = (e) => {
    const { done, total } = JSON.parse(e.data);
    bar.max = total;
    bar.value = done;
    said.textContent = e.type === 'done' ? 'done' : `${Math.round((100 * done) / total)} %`;
  };
  stream.addEventListener('progress', show);
  stream.addEventListener('done', (e) => {
    show(e);
    stream.close(); // the job has no further events, and EventSource would reconnect for ever
  });
};

document.querySelector('#start').addEventListener('click', async () => {
  const response = await fetch('jobs', { method: 'POST' });
  location.hash = await response.text();
  watch(location.hash.slice(1));
});

if (location.hash) watch(location.hash.slice(1)); // the page was reloaded
