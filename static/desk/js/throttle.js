// Calls a function again when asked: soon, never twice at once, and at a slower pace when it is asked often.

const SOON = 120; // milliseconds; a burst of requests is one call
const AFTER_FAILURE = 2000;
const HIDDEN = 5000; // in a hidden tab only the title is seen, and it may be late

export class Throttle {
  /**
   * `read` returns a promise. `pause(took)` is the time between two calls, given how long the last one took, and
   * `spread()` the longest random delay before a call, so that many pages do not read at once (all in ms).
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
      // the network is away: try again, even if the stream does not come back
      setTimeout(() => this.ask(), AFTER_FAILURE);
    }
    this.last = performance.now();
    this.took = this.last - start;
    this.isReading = false;
    if (this.again) this.ask();
  }
}
