// How one turn of the conversation looks: a question, or an answer that may still grow.

import { Markdown, anchor, clean, webAddress } from "./markdown.js";

const SHOWN = {
  image: ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"],
  audio: ["audio/wav", "audio/mpeg", "audio/aac", "audio/ogg", "audio/flac", "audio/mp4"],
};
const ENDS = {
  length: "The model reached its length limit",
  refused: "The model declined",
  stopped: "Stopped",
  cut: "Cut, the rest was lost",
  failed: "Failed",
  expired: "The rest is gone",
};

export function question(text) {
  const made = make("article", "question");
  made.append(hidden("You"), make("div", "said", clean(text)));
  made.lastChild.dir = "auto";
  return made;
}

export class AnswerView {
  element = make("article", "answer");
  #thinking = make("details", "thinking");
  #summary = make("summary");
  #thought = make("div");
  #text = make("div", "text");
  #media = make("div", "media");
  #foot = make("p", "foot");
  #again = make("button", "again", "Try again");
  #markdown = new Markdown(this.#text);
  #shown = new Map(); // number of an image or sound: its event, and the element
  #answer = null;

  /** `again` is called when the question is to be asked again. */
  constructor(again) {
    this.#thinking.append(this.#summary, this.#thought);
    this.#thinking.hidden = true;
    this.#thinking.addEventListener("toggle", () => this.#think());
    this.#again.type = "button";
    this.#again.addEventListener("click", again);
    this.element.append(hidden("Answer"), this.#thinking, this.#text, this.#media, this.#foot);
  }

  update(answer, newest) {
    this.#answer = answer;
    const live = answer.state === "live";
    this.element.classList.toggle("live", live);
    this.element.setAttribute("aria-busy", String(live));
    this.element.dataset.state = answer.state;
    this.#think();
    this.#markdown.update(answer.text);
    for (const event of answer.media) this.#place(event);
    this.#sum(answer, newest);
  }

  #think() {
    const { thinking, text, state } = this.#answer;
    this.#thinking.hidden = !thinking;
    this.#summary.textContent = state === "live" && !text ? "Thinking …" : "Thought";
    if (this.#thinking.open) this.#thought.textContent = clean(thinking);
  }

  #place(event) {
    const before = this.#shown.get(event.number);
    if (before?.event === event) return;
    const made = medium(event);
    if (before) before.made.replaceWith(made);
    else this.#media.append(made);
    if (before?.made.src) URL.revokeObjectURL(before.made.src);
    this.#shown.set(event.number, { event, made });
  }

  #sum({ state, note, errors, resumes, usage, model }, newest) {
    if (state === "live") {
      this.#foot.replaceChildren();
      return;
    }
    const facts = [];
    if (model) facts.push(model);
    if (usage?.output) facts.push(`${usage.output} tokens`);
    if (resumes) facts.push(`resumed ×${resumes}`);
    const parts = [];
    if (ENDS[state]) {
      const why = state === "stopped" ? "" : (errors.at(-1) ?? note);
      parts.push(make("strong", "end", ENDS[state]), why ? `: ${clean(why)}. ` : ". ");
    }
    parts.push(facts.map(clean).join(" · "));
    if (newest && state !== "complete") parts.push(" ", this.#again);
    this.#foot.replaceChildren(...parts);
  }
}

/** An image or a sound, if it is of a type that can do nothing else; else a line about it. */
function medium({ type, content, mime, url, note }) {
  if (content && SHOWN[type].includes(mime)) {
    const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
    const made = document.createElement(type === "image" ? "img" : "audio");
    made.src = URL.createObjectURL(new Blob([bytes], { type: mime }));
    if (type === "image") made.alt = "An image from the model";
    else made.controls = true;
    return made;
  }
  const line = make("p", "quiet");
  const address = url && webAddress(url);
  const what = type === "image" ? "An image" : "A sound";
  if (address) line.append(`${what} that was not sent, only its address: `, anchor(address, clean(address.href)));
  else line.append(`${what} that this page does not show${note ? ` (${clean(note)})` : ""}.`);
  return line;
}

function hidden(text) {
  return make("h2", "unseen", text);
}

function make(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
