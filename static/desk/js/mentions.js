// Mentions in notes: `@` and letters offer colleagues and departments; arrows and Enter choose one. Whoever may not see
// the conversation is named below the text before the note is added, with the choice to give them access.

import { fetchPart } from "./http.js";
import * as menus from "./menus.js";
import { gettext, interpolate, ngettext } from "./words.js";

const PAUSE = 120; // milliseconds without a key
const TYPED = /(?:^|[\s([{"'“‘«¿¡,;])@([^@\n]{0,40})$/u;
let count = 0;
let shown = null; // the field whose list is open

menus.join({
  isOpen: () => Boolean(shown?.isOpen && shown.text.isConnected),
  contains: (target) => shown.text.closest("form, details").contains(target),
  close: () => shown.close(),
});

export class MentionField {
  /** Offer mentions in the textarea `text`, whose choices come from `url`, while `isOn()`. */
  constructor(text, url, isOn = () => true, changed = () => {}) {
    Object.assign(this, { text, url, isOn, changed, known: new Map(), given: new Set(), found: [], active: 0 });
    this.mayGive = false;
    this.asked = 0;
    const id = `mentions-${++count}`;
    this.list = make("ul", { className: "canned mention-list", id, hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", gettext("Colleagues and departments"));
    this.unseen = make("div", { className: "mention-unseen", hidden: true });
    this.unseen.setAttribute("role", "group");
    this.unseen.setAttribute("aria-label", gettext("Mentioned, but may not see this conversation"));
    this.status = make("p", { className: "visually-hidden" });
    this.status.setAttribute("role", "status");
    text.parentElement.classList.add("mention-holder");
    text.before(this.list);
    text.after(this.unseen, this.status);
    text.setAttribute("aria-autocomplete", "list");
    text.setAttribute("aria-controls", id);
    text.addEventListener("input", () => this.update());
    text.addEventListener("blur", () => this.close());
    this.unseen.addEventListener("change", ({ target }) => {
      if (target.checked) this.given.add(target.value);
      else this.given.delete(target.value);
      this.changed();
    });
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    clearTimeout(this.timer);
    this.asked += 1;
    this.list.hidden = true;
    this.text.removeAttribute("aria-activedescendant");
    this.status.textContent = "";
  }

  /** Forget what was chosen, except in `words`: the note is stored, or another one is written. */
  clear(words = "") {
    this.known = new Map(this.chosen(words).map((one) => [one.key, one]));
    this.given = new Set([...this.given].filter((key) => this.known.has(key)));
    this.close();
    this.drawUnseen();
  }

  /** Return what `restore` takes: those chosen in `words`, and who of them gets access. */
  kept(words) {
    return this.chosen(words).map((one) => ({ ...one, isGiven: this.given.has(one.key) }));
  }

  /** Choose again those of a note that was kept, and ask whether they see the conversation now. */
  restore(rows = []) {
    for (const { isGiven, ...one } of rows) {
      this.known.set(one.key, one);
      this.given[isGiven ? "add" : "delete"](one.key);
      if (isGiven) this.mayGive = true; // it was so
    }
    this.drawUnseen();
    if (rows.length) this.recheck();
  }

  typed() {
    const before = this.text.value.slice(0, this.text.selectionStart);
    const words = before.match(TYPED)?.[1] ?? null;
    if (words === null || /^\s/.test(words)) return null;
    const isChosen = [...this.known.values()].some(({ label }) => words === label || words.startsWith(`${label} `));
    return isChosen ? null : words;
  }

  update() {
    this.drawUnseen();
    const words = this.isOn() ? this.typed() : null;
    if (words === null) {
      if (this.isOpen) this.close();
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(words), PAUSE);
  }

  async ask(words) {
    const number = ++this.asked;
    const answer = await this.read(`q=${encodeURIComponent(words)}`);
    if (!answer || number !== this.asked || this.typed() === null) return;
    this.found = answer.choices;
    this.active = 0;
    if (!this.found.length) {
      this.close();
      this.status.textContent = gettext("Nobody found");
      return;
    }
    this.list.hidden = false;
    shown = this;
    const sentence = ngettext("%(count)s suggestion", "%(count)s suggestions", this.found.length);
    this.status.textContent = interpolate(sentence, { count: this.found.length });
    this.draw();
  }

  async read(query) {
    try {
      const response = await fetchPart(`${this.url}?${query}`);
      if (!response.ok) return null;
      const answer = await response.json();
      this.mayGive = answer.may_give;
      return answer;
    } catch {
      return null; // the network is away: the name stays plain text
    }
  }

  draw() {
    this.list.replaceChildren(...this.found.map((one, index) => this.option(one, index)));
    this.text.setAttribute("aria-activedescendant", `${this.list.id}-${this.active}`);
    this.list.children[this.active].scrollIntoView({ block: "nearest" });
  }

  option(one, index) {
    const item = make("li", { className: "canned__one mention-option", id: `${this.list.id}-${index}` });
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(index === this.active));
    const isDepartment = one.key.startsWith("department-");
    const detail = isDepartment ? gettext("Department") : one.detail;
    const warning = one.sees ? "" : gettext("may not see this conversation");
    const name = make("strong", { textContent: one.label });
    name.dir = "auto";
    item.append(name, make("span", { textContent: [detail, warning].filter(Boolean).join(" · ") }));
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.choose(index);
    });
    return item;
  }

  choose(index) {
    const one = this.found[index];
    const end = this.text.selectionStart;
    const start = end - (this.typed() ?? "").length;
    this.known.set(one.key, one);
    const rest = this.text.value.slice(end);
    this.text.setRangeText(`${one.label}${/^\s/.test(rest) ? "" : " "}`, start, end, "end");
    this.close();
    this.text.focus();
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** Handle a key for the list. Returns whether it was one. */
  key(event) {
    if (!this.isOpen || event.isComposing) return false;
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" || event.key === "Tab") this.choose(this.active);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : this.found.length - 1;
      this.active = (this.active + step) % this.found.length;
      this.draw();
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  /** Return those chosen whose names are still in `words`. */
  chosen(words = this.text.value) {
    return [...this.known.values()].filter(({ label }) => words.includes(`@${label}`));
  }

  /** Return the fields of the request that stores a note with this text: [name, value]. */
  fields(words = this.text.value) {
    return this.chosen(words).flatMap(({ key, sees }) => {
      if (sees) return [["mention", key]];
      return [["mention", key], this.given.has(key) && this.mayGive ? ["access", key] : ["told", key]];
    });
  }

  /** Read again who of the mentioned sees the conversation: the server has refused the note, or it was kept. */
  async recheck() {
    const keys = [...this.known.keys()].map((key) => `key=${key}`);
    const answer = keys.length ? await this.read(keys.join("&")) : null;
    if (!answer) return;
    for (const one of answer.choices) {
      const before = this.known.get(one.key);
      if (before) this.known.set(one.key, { ...before, sees: one.sees });
    }
    this.drawUnseen();
  }

  drawUnseen() {
    const unseen = this.isOn() ? this.chosen().filter(({ sees }) => !sees) : [];
    const state = JSON.stringify([unseen, this.mayGive, [...this.given]]);
    this.unseen.hidden = !unseen.length;
    if (state === this.drawn) return;
    this.drawn = state;
    this.unseen.replaceChildren(...unseen.map((one) => this.question(one)));
    this.changed();
  }

  question(one) {
    const line = make("div", { className: "mention-unseen__one" });
    const isDepartment = one.key.startsWith("department-");
    const sentence = isDepartment
      ? gettext("Nobody in %(name)s may see this conversation: nobody there is notified.")
      : gettext("%(name)s may not see this conversation and is not notified.");
    line.append(make("span", { textContent: interpolate(sentence, { name: one.label }) }));
    if (isDepartment) return line;
    if (!this.mayGive) {
      line.append(
        make("span", { textContent: gettext("Access can be given by its agents while the ticket is open.") }),
      );
      return line;
    }
    const label = make("label", { className: "check" });
    const box = make("input", { type: "checkbox", value: one.key, checked: this.given.has(one.key) });
    label.append(box, ` ${gettext("Give access until the ticket closes")}`);
    line.append(label);
    return line;
  }
}

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
