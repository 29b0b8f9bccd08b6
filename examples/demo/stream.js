// EventSource reconnects by itself, after a goaway too. What is left to the page is to show that it is cut off, and to put
// its state right after a reset, which says that events were missed: the server's log began anew, or no longer keeps them.

// follow shows the state of a stream in #status and calls reset when events were missed.
export const follow = (stream, reset) => {
  const say = (text) => (document.querySelector('#status').textContent = text);
  stream.addEventListener('open', () => say(''));
  stream.addEventListener('error', () => say(stream.readyState === EventSource.CLOSED ? 'disconnected: reload the page' : 'reconnecting'));
  stream.addEventListener('carillon.goaway', () => say('reconnecting'));
  stream.addEventListener('carillon.reset', reset);
  return stream;
};
