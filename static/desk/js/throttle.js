// Reads something again when asked, soon and never twice at once; asked often, it slows down instead of piling up.

const SOON = 120; // milliseconds; a burst of requests is one reading
const AFTER_FAILURE = 2000;
const HIDDEN = 5000; // nobody looks: the title may lag a little

export class Pump {
  /**
   * `read` returns a promise; `pause(took)` is the time between two readings, by how long the last one took, and
   * `spread()` the time within which it happens by chance, so that many pages do not read at once (all in ms).
   */
  constructor(read, pause = () => 0, spread = () => 0) {
    this.read = read;
    this.pause = pause;
    this.spread = spread;
    this.timer = null;
    this.isReading = false;
    this.again = false;
    this.took = 0;
    this.last = -Infinity;
  }

  ask() {
    if (this.isReading) this.again = true;
    else this.timer ??= setTimeout(() => this.run(), this.wait());
  }

  wait() {
    const pause =
      document.visibilityState === "hidden" ? Math.max(HIDDEN, this.pause(this.took)) : this.pause(this.took);
    return Math.max(SOON + Math.random() * this.spread(), this.last + pause - performance.now());
  }

  async run() {
    this.timer = null;
    this.isReading = true;
    this.again = false;
    const start = performance.now();
    try {
      await this.read();
    } catch {
      // the network is away; the stream says when it is back, and this asks again meanwhile
      setTimeout(() => this.ask(), AFTER_FAILURE);
    }
    this.last = performance.now();
    this.took = this.last - start;
    this.isReading = false;
    if (this.again) this.ask();
  }
}
