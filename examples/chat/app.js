const $ = (id) => document.getElementById(id);
const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

const post = (path, fields) => fetch(path, { method: 'POST', body: JSON.stringify({ id, ...fields }) });

const enter = (name) => {
  const stream = new EventSource('events?topic=chat/messages&topic=chat/roster&last=50');
  // After the stream is open, so that it also receives the roster that joining publishes.
  stream.addEventListener('open', () => post('here', { name }));
  setInterval(() => post('here', { name }), 5000);
  addEventListener('pagehide', () => navigator.sendBeacon('gone', JSON.stringify({ id })));

  stream.addEventListener('roster', (e) => {
    $('roster').textContent = JSON.parse(e.data).join(', ') || 'nobody';
  });
  stream.addEventListener('said', (e) => {
    const { name: from, text } = JSON.parse(e.data);
    const line = document.createElement('li');
    const who = document.createElement('b');
    who.textContent = from;
    line.append(who, ' ', text);
    $('messages').append(line);
    line.scrollIntoView();
  });
};

$('enter').addEventListener('submit', (e) => {
  e.preventDefault();
  $('enter').hidden = true;
  $('say').hidden = false;
  $('text').focus();
  enter($('name').value);
});
$('say').addEventListener('submit', (e) => {
  e.preventDefault();
  post('say', { text: $('text').value });
  $('text').value = '';
});
