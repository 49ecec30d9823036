// One event stream for all tabs of a browser. Over HTTP/1.1 a browser opens six connections to a host, and a stream in
// each tab would use them up: from the sixth tab on, every request of every tab would wait.
//
// The tab that holds a lock has the stream and passes its events to the others. When that tab is closed, the lock goes
// to another one, whose stream begins with `sync`. Locks need a secure context (https, or localhost). Without them each
// tab has its own stream while it is visible.

const ASK = "ask"; // a tab that has just come asks for what the others know
const TOLD = ["sync", "pace"]; // and is told the newest of these

export class SharedStream extends EventTarget {
  #id = String(Math.random()); // crypto.randomUUID exists in secure contexts only
  #url;
  #kinds;
  #source = null;
  #channel = null;
  #release = () => {}; // gives the lock back
  #abort = new AbortController(); // stops waiting for it
  #isOpen = false;
  #newest = new Map(); // the newest event of the kinds that a new tab is told
  #onVisibility = () => this.#showOrHide();

  /**
   * Open the stream, or join the one of another tab. `kinds` are the events to pass on. `name` says which tabs share:
   * those of one user. `steal` takes the lock from a tab that has been silent.
   */
  constructor(url, { kinds, name, steal = false }) {
    super();
    this.#url = url;
    this.#kinds = kinds;
    if (navigator.locks && globalThis.BroadcastChannel) this.#share(`desk stream ${name}`, steal);
    else {
      document.addEventListener("visibilitychange", this.#onVisibility);
      this.#showOrHide();
    }
  }

  /** Whether this stream has ended and does not reconnect by itself. */
  get isClosed() {
    return this.#source?.readyState === EventSource.CLOSED;
  }

  close() {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#abort.abort();
    this.#channel?.close();
    this.#channel = null;
    this.#stop();
    this.#release();
  }

  #share(name, steal) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", ({ data }) => this.#heard(data));
    this.#waitForLock(name, steal ? { steal } : this.#patiently);
    this.#channel.postMessage({ kind: ASK, from: this.#id });
  }

  get #patiently() {
    return { signal: this.#abort.signal };
  }

  async #waitForLock(name, options) {
    try {
      await navigator.locks.request(name, options, () => this.#lead());
    } catch (error) {
      this.#stop(); // another tab took the lock, this stream was closed, or the page is being left
      if (error.name === "AbortError" && !this.#abort.signal.aborted) this.#waitForLock(name, this.#patiently);
    }
  }

  /** Have the stream until `close`. */
  #lead() {
    if (this.#abort.signal.aborted) return null;
    this.#start();
    return new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  #start() {
    this.#source = new EventSource(this.#url);
    for (const kind of [...this.#kinds, "open"])
      this.#source.addEventListener(kind, ({ data }) => {
        this.#isOpen = true;
        if (TOLD.includes(kind)) this.#newest.set(kind, data);
        this.#tell({ kind, data });
      });
    this.#source.addEventListener("error", () => {
      this.#isOpen = false;
      this.#tell({ kind: "error" });
    });
  }

  #stop() {
    this.#source?.close();
    this.#source = null;
    this.#isOpen = false;
  }

  #tell(message) {
    this.#channel?.postMessage(message);
    this.#dispatch(message);
  }

  #heard({ kind, data, from, to }) {
    if (kind !== ASK) {
      if (!to || to === this.#id) this.#dispatch({ kind, data });
    } else if (this.#isOpen) {
      for (const [told, newest] of this.#newest) this.#channel.postMessage({ kind: told, data: newest, to: from });
    }
  }

  #dispatch({ kind, data }) {
    this.dispatchEvent(new MessageEvent(kind, { data }));
  }

  #showOrHide() {
    if (document.visibilityState === "hidden") this.#stop();
    else if (!this.#source) this.#start();
  }
}
