import { follow } from './stream.js';

const $ = (id) => document.getElementById(id);
const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

const post = (path, fields) => fetch(path, { method: 'POST', body: JSON.stringify({ id, ...fields }) });

const showRoster = (names) => ($('roster').textContent = names.join(', ') || 'nobody');

const addLine = (...parts) => {
  const line = document.createElement('li');
  line.append(...parts);
  $('messages').append(line);
  line.scrollIntoView();
};

// Messages that were missed are lost, and the page says so. The roster is fetched.
const missed = async () => {
  addLine('(messages may be missing here)');
  showRoster(await fetch('roster').then((answer) => answer.json()));
};

const enter = (name) => {
  const stream = follow(new EventSource('events?topic=chat/messages&topic=chat/roster&last=50'), missed);
  const here = () => post('here', { name }).catch(() => {}); // the next one will do
  // After the stream is open, so that it also receives the roster that joining publishes.
  stream.addEventListener('open', here);
  setInterval(here, 5000);
  addEventListener('pagehide', () => navigator.sendBeacon('gone', JSON.stringify({ id })));

  stream.addEventListener('roster', (e) => showRoster(JSON.parse(e.data)));
  stream.addEventListener('said', (e) => {
    const { name: from, text } = JSON.parse(e.data);
    const who = document.createElement('b');
    who.textContent = from;
    addLine(who, ' ', text);
  });
};

$('enter').addEventListener('submit', (e) => {
  e.preventDefault();
  $('enter').hidden = true;
  $('say').hidden = false;
  $('text').focus();
  enter($('name').value);
});
$('say').addEventListener('submit', async (e) => {
  e.preventDefault();
  const text = $('text').value;
  $('text').value = '';
  const answer = await post('say', { text }).catch(() => null);
  if (!answer?.ok) {
    $('text').value ||= text;
    $('status').textContent = 'not sent, try again';
  }
});
