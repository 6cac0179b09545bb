/** What the page knows of the daemon; everything that is drawn is drawn from it. */

const LOG_LINES = 2000;

/**
 * `status`, `soul`, `body`: as the daemon last told. `work`: long requests by id, with
 * `method` and `progress`. `isUp`: whether the daemon can be reached. Listeners get the name of what
 * has changed: `link`, `status`, `soul`, `body`, `work`, `log`, or any event of the daemon's.
 */
export class Model {
  isUp = false;
  hasBeenUp = false;
  isLost = false;
  status = null;
  soul = null;
  body = null;
  work = new Map();
  log = [];
  #listeners = new Map();

  constructor(link) {
    this.link = link;
    link.on("up", () => this.#up());
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

  async #up() {
    const [status, lines] = await Promise.all([
      this.link.ask("daemon.status"),
      this.link.ask("lab.log", { limit: LOG_LINES }),
    ]).catch(() => [null, null]);
    if (status === null) return; // gone again; it will be up once more
    this.isUp = this.hasBeenUp = true;
    this.work.clear();
    this.log = lines.lines;
    this.#takeStatus(status);
    for (const name of ["link", "work", "log"]) this.tell(name);
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

  #take({ name, data, ts }) {
    if (name === "state" || name === "welcome") this.#takeStatus(data);
    else if (name === "soul") this.#set("soul", data);
    else if (name === "body") this.#set("body", data.loaded);
    else if (name === "progress") this.noteProgress(data.id, data.method, data.progress);
    else if (name === "pull" && data.progress) this.noteProgress(data.id, "body.pull", data.progress);
    else if (name === "log") {
      this.log = [...this.log.slice(1 - LOG_LINES), { ...data, ts }];
      this.tell("log", data);
    } else {
      if (name === "request" && data.phase !== "accepted") this.#endWork(data.id);
      this.tell(name, data);
    }
  }
}
