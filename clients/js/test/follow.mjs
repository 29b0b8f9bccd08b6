// Follows a subscription and prints what it is told, a line of JSON each: {"event"}, {"reset"} or {"status"}. It ends with its
// standard input. Arguments: the URL, the options as JSON.

import { Carillon } from "../carillon.min.mjs";

const [url, options] = (globalThis.Deno?.args ?? process.argv.slice(2)).slice(-2);
const print = (line) => console.log(JSON.stringify(line));
const stream = new Carillon(url, JSON.parse(options));
stream.on("*", (event) => print({ event }));
stream.onreset = (reset) => print({ reset });
stream.onstatus = (status) => print({ status });
const { stdin } = await import("node:process");
stdin.resume().on("end", () => stream.close());
