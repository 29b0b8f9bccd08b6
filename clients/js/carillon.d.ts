/** An event, or a control event, whose type begins with "carillon.". */
export interface CarillonEvent {
  /** The position: what a stream can resume after. Control events may have none. */
  readonly id?: string;
  /** The topics that this stream subscribes to and may see. */
  readonly topics: readonly string[];
  /** The type it was published with, "message" by default. */
  readonly type: string;
  /** When the server accepted it: RFC 3339 in UTC, with milliseconds. */
  readonly time: string;
  /** The data as published. */
  readonly data: string;
  /** Parses the data as JSON. */
  json<T = unknown>(): T;
}

/** Events are missing: load the state again and go on. */
export interface Reset {
  /** expired, epoch, malformed, future or slow; servers may add others. */
  readonly reason: string;
  readonly requested: string;
  readonly oldest: string;
  readonly newest: string;
}

/**
 * Why there is no connection: the server's problem document (RFC 9457); after a carillon.goaway its reason as code; if no
 * server responded, a title and a detail.
 */
export interface Problem {
  readonly title: string;
  readonly code?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly field?: string;
}

export type TransportName = "sse" | "poll" | "ws";

export type Status =
  | { readonly state: "connecting" }
  | { readonly state: "live"; readonly transport: TransportName }
  /** at: when the next attempt begins, in milliseconds as of Date.now(). */
  | { readonly state: "retrying"; readonly at: number; readonly problem: Problem }
  /** The server refuses this subscription, and would again. The stream has ended. */
  | { readonly state: "refused"; readonly problem: Problem }
  | { readonly state: "closed" };

export interface Options {
  /** Topics and patterns. Without any, those of the URL's query, or else the server's default, the clock. */
  topics?: string | readonly string[];
  /** Start with the newest event of each matching topic that is kept. */
  latest?: boolean;
  /** Start with this many of the newest matching events that are kept. */
  last?: number;
  /** Start with the events since an RFC 3339 time, or of the last duration, such as "5m". */
  since?: string;
  /** Start after this position: lastEventId of another stream. */
  after?: string;
  /** A bearer token. A function is called before each connection. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Use only this transport. By default: sse, and poll where something on the way buffers streams. */
  transport?: TransportName;
  /**
   * Share one connection with the other tabs of this origin that have the same URL and topics. A string tells groups of tabs
   * apart, for example those of different users. Where there are no Web Locks (such as in pages without HTTPS), each tab has its own connection.
   */
  shared?: boolean | string;
  /** Whether requests to other origins carry cookies; as for fetch. */
  credentials?: RequestCredentials;
  /** How long a connection may be silent, in ms. Default 45000: three heartbeats of a server with the default settings. */
  silence?: number;
  /** How long a stream's first bytes may take, in ms, before polling is tried. Default 5000. */
  firstBytes?: number;
}

/** Events of a Carillon server, resumed after every interruption. */
export class Carillon {
  /** The URL of the server's route /events. A relative one is that of the page. */
  constructor(url: string | URL, options?: Options);

  /** Called when events are missing. */
  onreset?: ((reset: Reset) => void) | null;
  /** Called when the status changes. */
  onstatus?: ((status: Status) => void) | null;

  readonly status: Status;
  /** The position: the id of the last event, or of a later bookmark; "" before the first. */
  readonly lastEventId: string;

  /**
   * Calls fn with each event of this type; "*" stands for all types but those of control events (carillon.…), which can be
   * named. The function that is returned removes fn.
   */
  on(type: string, fn: (event: CarillonEvent) => void): () => void;

  /** Ends a wait after failures, though not before the time that the server asked for: something says that the server is back. */
  hurry(): void;

  /** Ends the stream for good. */
  close(): void;
}
