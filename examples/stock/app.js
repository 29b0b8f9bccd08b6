import { follow } from './stream.js';

const rows = new Map();

const rowOf = (symbol) => {
  if (!rows.has(symbol)) {
    const row = document.querySelector('#shares').insertRow();
    rows.set(symbol, { symbol: row.insertCell(), price: row.insertCell(), change: row.insertCell() });
  }
  return rows.get(symbol);
};

// The events that are still kept follow a reset, so the page begins anew.
const clear = () => {
  rows.clear();
  document.querySelector('#shares').replaceChildren();
};

const stream = follow(new EventSource('events?topic=stock/*&latest'), clear);
stream.addEventListener('price', (e) => {
  const { symbol, price, change } = JSON.parse(e.data);
  const row = rowOf(symbol);
  row.symbol.textContent = symbol;
  row.price.textContent = price.toFixed(2);
  row.change.textContent = (change < 0 ? '▼ ' : '▲ ') + Math.abs(change).toFixed(2);
  row.change.className = change < 0 ? 'down' : 'up';
});
