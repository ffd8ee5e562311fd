// The built-in page: a conversation that survives a reload.
//
// Token, stream and cursor lie in session storage, so in this tab only, and never in an address.

import { Following, Relay } from "./stream.js";
import { AnswerView, question } from "./turn.js";

const TOKEN = "ssechat.token";
const CHAT = "ssechat.chat";
const SAVE_EVERY = 300; // ms
const NEAR = 40; // px from the bottom that count as the bottom

const $ = (id) => document.getElementById(id);
const relay = new Relay();
let turns = []; // {role: "user", text} and answers, as `fresh` makes them
let views = []; // the elements and AnswerViews of the turns
let following = null;
let atBottom = true;
let painting = 0;
let saving = 0;

// What is kept.

function restore() {
  relay.token = sessionStorage.getItem(TOKEN) ?? "";
  try {
    const kept = JSON.parse(sessionStorage.getItem(CHAT) ?? "{}");
    turns = kept.turns ?? [];
    $("prompt").value = kept.draft ?? "";
    $("model").dataset.wanted = kept.model ?? "";
  } catch {
    turns = [];
  }
}

/** Where there is no room for all of it, what the relay still has is left to the relay. */
function save() {
  clearTimeout(saving);
  saving = 0;
  const rest = { model: chosenModel(), draft: $("prompt").value };
  for (const kept of [turns.map(light), turns.map(lighter)]) {
    try {
      sessionStorage.setItem(CHAT, JSON.stringify({ ...rest, turns: kept }));
      return;
    } catch {
      // The storage is full.
    }
  }
}

/** Without the bytes of images. Text and cursor go together, or not at all. */
function light(turn) {
  if (!turn.media?.some((one) => one.content)) return turn;
  if (turn.state === "live") return anew(turn);
  const note = "it is gone since the page was reloaded";
  return { ...turn, media: turn.media.map((one) => ({ ...one, content: "", note })) };
}

function lighter(turn) {
  return turn.state === "live" ? anew(turn) : light({ ...turn, thinking: "" });
}

function anew(turn) {
  return { ...turn, text: "", thinking: "", media: [], errors: [], cursor: "" };
}

// Asking.

function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const empty = { text: "", thinking: "", media: [], errors: [], note: "", stream: "", cursor: "" };
  return { role: "assistant", state: "live", key, model: chosenModel(), resumes: 0, stopping: false, ...empty };
}

/** The body of the request whose answer is the last turn; the same each time that it is made. */
function body() {
  const said = turns.slice(0, -1).filter((turn) => turn.text.trim());
  const messages = said.map(({ role, text }) => ({ role, content: text }));
  const model = turns.at(-1).model;
  return JSON.stringify(model ? { messages, model } : { messages });
}

function ask(text) {
  if (text !== null) add({ role: "user", text });
  add(fresh());
  save();
  atBottom = true;
  follow();
}

function again() {
  if (following || turns.at(-1)?.role !== "assistant") return;
  turns.pop();
  const view = views.pop();
  view.element.remove();
  ask(null);
}

async function follow() {
  const answer = turns.at(-1);
  if (following || answer?.state !== "live") return;
  const mine = (following = new Following(relay, answer, body(), { changed, say, refused }));
  say(answer.stopping ? "stopping" : answer.stream ? "reconnecting" : "waiting");
  changed();
  await mine.run();
  if (following !== mine) return;
  following = null;
  if (answer.state !== "live") say(answer.state);
  changed();
  save();
}

function refused() {
  gate(relay.token ? "The relay refused this token. It may have been revoked, or mistyped." : "");
}

// What is seen.

function say(text) {
  $("status").textContent = text;
  $("status").dataset.word = text.split(" ", 1)[0];
}

function changed() {
  if (!saving) saving = setTimeout(save, SAVE_EVERY);
  if (!painting) painting = requestAnimationFrame(paint);
}

function paint() {
  painting = 0;
  const answer = turns.at(-1);
  if (answer?.role === "assistant") views.at(-1).update(answer, true);
  if (following && answer.state === "live" && !answer.stopping) phase(answer);
  $("send").hidden = Boolean(following);
  $("stop").hidden = !following;
  $("stop").disabled = Boolean(answer?.stopping);
  $("empty").hidden = turns.length > 0;
  $("new").hidden = turns.length === 0;
  if (atBottom) toBottom();
  $("latest").hidden = atBottom;
}

/** "waiting", then "thinking", then "answering", unless something else is to be said. */
function phase(answer) {
  const word = $("status").dataset.word;
  const phases = ["", "waiting", "thinking", "answering"];
  const now = answer.text ? "answering" : answer.thinking ? "thinking" : "waiting";
  if (phases.includes(word) && word !== now) say(now);
}

function add(turn) {
  turns.push(turn);
  show(turn);
}

function show(turn) {
  const before = views.at(-1);
  if (before instanceof AnswerView) before.update(turns[views.length - 1], false);
  const view = turn.role === "user" ? { element: question(turn.text) } : new AnswerView(again);
  views.push(view);
  $("log").append(view.element);
  if (turn.role === "assistant") view.update(turn, views.length === turns.length);
}

function toBottom() {
  const page = document.scrollingElement;
  page.scrollTop = page.scrollHeight;
}

function look() {
  const page = document.scrollingElement;
  atBottom = page.scrollHeight - page.scrollTop - page.clientHeight < NEAR;
  $("latest").hidden = atBottom;
}

function grow() {
  const field = $("prompt");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

// The token, and the models.

function gate(message) {
  for (const id of ["chat", "dock", "model", "new"]) $(id).hidden = true;
  $("gate").hidden = false;
  $("refused").textContent = message;
  $("token").value = "";
  $("token").focus();
}

async function enter() {
  let response;
  try {
    response = await relay.call("GET", "/api/models");
  } catch {
    response = null; // the relay is away; what runs goes on when it is back
  }
  if (response?.status === 401) return refused();
  if (relay.token) sessionStorage.setItem(TOKEN, relay.token);
  $("gate").hidden = true;
  $("chat").hidden = $("dock").hidden = false;
  if (response?.ok) offer((await response.json()).models);
  grow();
  follow();
  paint();
  if (matchMedia("(hover: hover)").matches) $("prompt").focus();
}

function offer(models) {
  const select = $("model");
  select.replaceChildren(...models.map((name) => new Option(name, name)));
  const wanted = select.dataset.wanted;
  if (models.includes(wanted)) select.value = wanted;
  select.hidden = models.length < 2;
}

function chosenModel() {
  return $("model").value || $("model").dataset.wanted || "";
}

// What the user does.

$("gate").addEventListener("submit", (event) => {
  event.preventDefault();
  relay.token = $("token").value.trim();
  enter();
});

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("prompt").value.trim();
  if (!text || following) return;
  $("prompt").value = "";
  grow();
  ask(text);
});

$("prompt").addEventListener("keydown", (event) => {
  const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing;
  if (!sends || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  $("ask").requestSubmit();
});

$("prompt").addEventListener("input", () => {
  grow();
  if (!saving) saving = setTimeout(save, SAVE_EVERY);
});

$("stop").addEventListener("click", () => following?.stop());
$("model").addEventListener("change", save);
$("latest").addEventListener("click", () => {
  atBottom = true;
  paint();
});
$("new").addEventListener("click", () => {
  following?.leave();
  following = null;
  turns = [];
  views = [];
  $("log").replaceChildren();
  say("");
  save();
  paint();
  $("prompt").focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) following?.stop();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) save();
  else following?.wake();
});
addEventListener("online", () => following?.wake());
addEventListener("pagehide", save);
addEventListener("resize", () => atBottom && toBottom());
addEventListener("scroll", look, { passive: true });
$("log").addEventListener("toggle", look, true);
$("log").addEventListener("load", () => atBottom && toBottom(), true); // a picture has its size

restore();
turns.forEach(show);
enter();
