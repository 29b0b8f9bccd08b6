import { Carillon } from './client.mjs';

const $ = (id) => document.getElementById(id);
const members = new Map();
let token;

const post = (path, body) => fetch(path, { method: 'POST', body, headers: token ? { Authorization: `Bearer ${token}` } : {} });

const addLine = (...parts) => {
  const line = document.createElement('li');
  line.append(...parts);
  $('messages').append(line);
  line.scrollIntoView();
};

const showMembers = () => ($('roster').textContent = [...members.values()].sort().join(', ') || 'nobody');
const add = ({ id, info }) => members.set(id, info.name);

const states = { live: '', retrying: 'reconnecting', refused: 'your time is over: reload the page' };

const enter = () => {
  const stream = new Carillon('events?presence=members', { topics: 'chat', last: 50, token });
  stream.onstatus = ({ state }) => ($('status').textContent = states[state] ?? $('status').textContent);
  stream.onreset = () => addLine('(messages may be missing here)');
  // The list comes when the stream begins, also after a reconnection; then what changes.
  stream.on('carillon.members', (e) => {
    members.clear();
    e.json().members.forEach(add);
    showMembers();
  });
  stream.on('carillon.members.changed', (e) => {
    e.json().left.forEach(({ id }) => members.delete(id));
    e.json().joined.forEach(add);
    showMembers();
  });
  stream.on('said', (e) => {
    const { name, text } = e.json();
    const who = document.createElement('b');
    who.textContent = name;
    addLine(who, ' ', text);
  });
  addEventListener('pagehide', () => stream.close());
  addEventListener('pageshow', (e) => e.persisted && location.reload());
};

$('enter').addEventListener('submit', async (e) => {
  e.preventDefault();
  const answer = await post('enter', $('name').value).catch(() => null);
  if (!answer?.ok) return ($('status').textContent = 'try again');
  token = await answer.text();
  $('enter').hidden = true;
  $('say').hidden = false;
  $('text').focus();
  enter();
});
$('say').addEventListener('submit', async (e) => {
  e.preventDefault();
  const text = $('text').value;
  $('text').value = '';
  const answer = await post('say', text).catch(() => null);
  if (!answer?.ok) {
    $('text').value ||= text;
    $('status').textContent = 'not sent, try again';
  }
});
