/** What the page knows of the daemon; everything that is drawn is drawn from it. */

/**
 * `status`, `soul`, `body`: as the daemon last told. `work`: long requests by id, with
 * `method` and `progress`. `isUp`: whether the daemon can be reached, and has told its status.
 * Listeners get the name of what has changed: `link`, `status`, `soul`, `body`, `work`, or any event of
 * the daemon's.
 */
export class Model {
  isUp = false;
  hasBeenUp = false;
  isLost = false;
  status = null;
  soul = null;
  body = null;
  work = new Map();
  #listeners = new Map();
  #told = 0; // the number of the newest status

  constructor(link) {
    this.link = link;
    link.on("down", () => this.#down());
    link.on("lost", () => {
      this.isLost = true;
      this.tell("link");
    });
    link.on("event", (event) => this.#take(event));
  }

  /** Have `listener` called when one of `names` (separated by spaces) has changed. */
  on(names, listener) {
    for (const name of names.split(" ")) {
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    }
  }

  tell(name, data) {
    for (const listener of this.#listeners.get(name) ?? []) listener(data);
  }

  /** Return the long work of a method that is under way, or null. */
  workOf(...methods) {
    return [...this.work.values()].find((one) => methods.includes(one.method)) ?? null;
  }

  /** Note how far a request is. */
  noteProgress(id, method, progress) {
    const work = this.work.get(id) ?? { id, method, losses: [], stages: [] };
    work.progress = progress;
    if (!work.stages.includes(progress.stage)) work.stages.push(progress.stage);
    if (typeof progress.loss === "number" && progress.done > (work.losses.at(-1)?.[0] ?? -1)) {
      work.losses.push([progress.done, progress.loss]);
    }
    this.work.set(id, work);
    this.tell("work", work);
  }

  #endWork(id) {
    if (this.work.delete(id)) this.tell("work", null);
  }

  #up(status) {
    this.isUp = this.hasBeenUp = true;
    this.#takeStatus(status);
    for (const name of ["link", "work"]) this.tell(name);
  }

  #down() {
    this.isUp = false;
    this.work.clear();
    for (const name of ["link", "work"]) this.tell(name);
  }

  #takeStatus(status) {
    this.status = status;
    this.#set("soul", status.soul);
    this.#set("body", status.body);
    const running = new Set(status.requests.map((request) => request.id));
    for (const id of [...this.work.keys()]) if (!running.has(id)) this.#endWork(id);
    this.tell("status");
  }

  #set(name, value) {
    if (JSON.stringify(this[name]) === JSON.stringify(value)) return;
    this[name] = value;
    this.tell(name);
  }

  #take({ name, seq, data, ts }) {
    if (name === "state") this.#takeState(seq, data);
    else if (name === "soul") this.#set("soul", data);
    else if (name === "body") this.#set("body", data.loaded);
    else if (name === "progress") this.noteProgress(data.id, data.method, data.progress);
    else if (name === "pull" && data.progress) this.noteProgress(data.id, "body.pull", data.progress);
    else if (name === "log") this.tell("log", { ...data, ts });
    else {
      if (name === "request" && data.phase !== "accepted") this.#endWork(data.id);
      this.tell(name, data);
    }
  }

  /** The first one after the link is what the page waits for; an older one may come after a newer. */
  #takeState(seq, status) {
    const isOld = status.daemon_id === this.status?.daemon_id && seq < this.#told;
    if (!this.link.isUp || isOld) return;
    this.#told = seq;
    if (this.isUp) this.#takeStatus(status);
    else this.#up(status);
  }
}
