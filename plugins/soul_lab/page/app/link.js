/** The connection to the server: requests with their answers, events, and coming back. */

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4000;

/** A request failed. `code` is one of the daemon's, or `disconnected`. */
export class Failure extends Error {
  constructor({ code, message, hint = "" }) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** A request under way: `result` settles once; `cancel` asks for its end. */
class Call {
  constructor(link, id, handlers) {
    this.id = id;
    this.link = link;
    this.handlers = handlers;
    this.result = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }

  cancel() {
    this.link.send({ id: this.id, cancel: true });
  }

  take(kind, body) {
    if (kind === "done") this.resolve(body);
    else if (kind === "error") this.reject(new Failure(body));
    else this.handlers[kind]?.(body);
    return kind === "done" || kind === "error";
  }
}

/**
 * A WebSocket that comes back by itself.
 *
 * Listeners: `up` and `down` (the daemon can be reached, or not), `event` (one of the daemon's),
 * `lost` (the server refuses us: the page has to be opened anew).
 */
export class Link {
  isUp = false;
  #calls = new Map();
  #listeners = new Map();
  #next = 1;
  #wait = FIRST_WAIT_MS;
  #timer = 0;
  #socket = null;

  constructor(url) {
    this.url = url;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    this.#open();
  }

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  /** Ask for something; `handlers` are called with `ack`, `progress` and `chunk`. */
  call(method, params = {}, handlers = {}) {
    const call = new Call(this, String(this.#next++), handlers);
    if (this.send({ id: call.id, method, params })) this.#calls.set(call.id, call);
    else call.reject(new Failure({ code: "disconnected", message: "not connected" }));
    return call;
  }

  /** Ask and return the result. */
  ask(method, params = {}, handlers = {}) {
    return this.call(method, params, handlers).result;
  }

  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #emit(name, value) {
    for (const listener of this.#listeners.get(name) ?? []) listener(value);
  }

  #open() {
    this.#socket = new WebSocket(this.url);
    this.#socket.onopen = () => (this.#wait = FIRST_WAIT_MS);
    this.#socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    this.#socket.onclose = () => this.#closed();
  }

  #hurry() {
    if (this.#socket?.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.#timer);
    this.#open();
  }

  #closed() {
    const failure = { code: "disconnected", message: "the connection was lost" };
    for (const call of this.#calls.values()) call.reject(new Failure(failure));
    this.#calls.clear();
    this.#setUp(false);
    this.#timer = setTimeout(() => this.#open(), this.#wait);
    if (this.#wait > FIRST_WAIT_MS) this.#askWhetherRefused();
    this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
  }

  /** A WebSocket does not tell why it was closed; a plain request does. */
  async #askWhetherRefused() {
    const answer = await fetch("/", { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer?.status === 401 || answer?.status === 403) this.#emit("lost");
  }

  #setUp(isUp, daemon = "") {
    if (isUp !== this.isUp) {
      this.isUp = isUp;
      this.#emit(isUp ? "up" : "down", daemon);
    }
  }

  #take({ id, kind, body, ...rest }) {
    if (kind === "event") this.#emit("event", rest);
    else if (kind === "link") this.#setUp(rest.up, rest.daemon);
    else if (this.#calls.get(id)?.take(kind, body)) this.#calls.delete(id);
  }
}
