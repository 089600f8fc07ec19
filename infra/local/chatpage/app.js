/** The chat page: who you are, where you speak, what was said. It talks to infra/local/teams.py and to nothing else. */

import { canDraw, onSchemeChange } from "./cards.js";
import { avatar, check, choices, el, isBot, messageElement, nameOf, spoken } from "./view.js";

const byId = (id) => document.getElementById(id);
const NO_RENDERER = canDraw()
  ? ""
  : "Cards are shown as plain text: the renderer is not installed. Run “make setup” in the repository, then reload this page.";
const state = {
  setting: null,
  personas: new Map(),
  persona: "admin",
  scene: "channel",
  thread: null,
  messages: new Map(),
  unread: { channel: 0, personal: 0 },
  socket: null,
};

async function start() {
  state.setting = await (await fetch("/chat/setting")).json();
  state.personas = new Map(state.setting.personas.map((persona) => [persona.key, persona]));
  const [persona, scene] = location.hash.slice(1).split("/");
  if (state.personas.has(persona)) state.persona = persona;
  if (scene === "personal") state.scene = scene;
  drawChoices();
  trouble(NO_RENDERER);
  onSchemeChange(drawAll);
  become(state.persona);
}

/** Phones have room for the first name alone. */
function named(name) {
  const [first, ...rest] = name.split(" ");
  return el("b", {}, first, el("span.surname", {}, ` ${rest.join(" ")}`));
}

function drawChoices() {
  choices(byId("personas"), "persona", [...state.personas.values()].map(({ key, name, role }) => ({
    value: key,
    title: `${name}, ${role}`,
    label: [avatar(key, name), el("span", {}, named(name), el("small", {}, role))],
  })), become);
  choices(byId("places"), "place", [
    { value: "channel", label: ["# ", state.setting.channel, el("span.unread", { hidden: true })] },
    { value: "personal", label: ["Chat with WhySync", el("span.unread", { hidden: true })] },
  ], moveTo);
}

function become(persona) {
  state.persona = persona;
  state.unread = { channel: 0, personal: 0 };
  check(byId("personas"), persona);
  listen();
  moveTo(state.scene);
}

function moveTo(scene) {
  state.scene = scene;
  state.unread[scene] = 0;
  check(byId("places"), scene);
  history.replaceState(null, "", `#${state.persona}/${scene}`);
  byId("mention").hidden = scene !== "channel";
  byId("typing").hidden = true;
  byId("said").placeholder = scene === "channel" ? "Ask something" : "Type a message";
  replyTo(null);
  drawSuggestions();
  drawUnread();
  drawAll();
}

function listen() {
  const before = state.socket;
  const socket = (state.socket = new WebSocket(`ws://${location.host}/chat/live?persona=${state.persona}`));
  before?.close();
  socket.onmessage = ({ data }) => state.socket === socket && heard(JSON.parse(data));
  socket.onopen = () => trouble(NO_RENDERER);
  socket.onclose = () => {
    if (state.socket !== socket) return;
    trouble("The demo does not answer. Trying again…");
    setTimeout(() => state.socket === socket && listen(), 1500);
  };
}

function heard(event) {
  if (event.kind === "all") {
    state.messages = new Map(event.messages.map((message) => [message.id, message]));
    drawAll();
  } else if (event.kind === "message") {
    const known = state.messages.has(event.message.id);
    state.messages.set(event.message.id, event.message);
    came(event.message, known);
  } else if (event.kind === "gone") {
    state.messages.delete(event.id);
    drawAll();
  } else if (event.kind === "typing" && event.scene === state.scene) {
    byId("typing").hidden = false;
    setTimeout(() => (byId("typing").hidden = true), 5000);
  }
}

function came(message, known) {
  if (isBot(message)) byId("typing").hidden = true;
  if (message.scene !== state.scene) {
    if (!known) state.unread[message.scene] += 1;
    drawUnread();
    return;
  }
  drawMessage(message);
  follow(message);
  if (message.sender !== state.persona) byId("announce").textContent = spoken(message, state.personas);
}

const here = (message) => message.scene === state.scene;
const view = () => ({ personas: state.personas, self: state.persona, press });

function drawAll() {
  const log = byId("log");
  log.className = state.scene;
  log.replaceChildren();
  for (const message of [...state.messages.values()].filter(here).sort((a, b) => a.id - b.id)) drawMessage(message);
  log.scrollTop = log.scrollHeight;
}

function drawMessage(message) {
  const made = messageElement(message, view());
  const old = byId("log").querySelector(`[data-id="${message.id}"]`);
  if (old) old.replaceWith(made);
  else place(made, message);
}

/** In a channel a message stands in its thread, which a button answers to; in a chat one follows the other. */
function place(made, { thread, scene }) {
  const log = byId("log");
  if (scene !== "channel") return log.append(made);
  let box = log.querySelector(`[data-thread="${thread}"]`);
  if (!box) {
    const reply = el("button.reply", { type: "button", onclick: () => replyTo(thread) }, "Reply");
    box = el("section.thread", { "data-thread": thread, "aria-label": "Thread" }, reply);
    log.append(box);
  }
  box.querySelector(".reply").before(made);
}

/** Shows the end of a new or changed message, but never less than its beginning, where the verdict stands. */
function follow(message) {
  const log = byId("log");
  const made = log.querySelector(`[data-id="${message.id}"]`);
  const top = made.offsetTop - log.offsetTop;
  const end = top + made.offsetHeight - log.clientHeight + 56;
  log.scrollTop = Math.min(Math.max(end, 0), Math.max(top - 72, 0));
}

function drawUnread() {
  for (const [scene, count] of Object.entries(state.unread)) {
    const badge = document.querySelector(`#places [data-value=${scene}] .unread`);
    badge.hidden = count === 0;
    badge.replaceChildren(String(count), el("span.unseen", {}, " new"));
  }
}

function drawSuggestions() {
  const { own, suggestions } = state.setting;
  const asked = state.persona === "jdoe" ? [...own, ...suggestions] : suggestions;
  byId("suggestions").replaceChildren(
    ...asked.map((text) => el("button", { type: "button", onclick: () => say(text) }, text)),
  );
}

function replyTo(thread) {
  state.thread = thread;
  const root = state.messages.get(thread);
  byId("replying").hidden = !root;
  if (!root) return;
  byId("replying").querySelector("span").textContent = `Replying to ${nameOf(root, state.personas)}`;
  byId("said").focus();
}

async function say(text) {
  const body = { persona: state.persona, place: state.scene, text };
  return post("/chat/say", state.thread ? { ...body, thread: state.thread } : body);
}

async function press(message, action, element) {
  const buttons = [...element.querySelectorAll("button")];
  element.classList.add("busy");
  for (const button of buttons) button.disabled = true;
  const asked = { persona: state.persona, place: state.scene, messageId: message.id, verb: action.verb, data: action.data, inputs: {} };
  await post("/chat/press", asked);
  element.classList.remove("busy");
  for (const button of buttons) button.disabled = false;
}

/** What the bot says to the presser alone, and what went wrong, is shown for a while and kept nowhere. */
async function post(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const told = await answer.json();
    const sentence = answer.ok ? told.notice : told.error.message;
    if (sentence) notice(sentence);
    return answer.ok;
  } catch {
    notice("The demo does not answer.");
    return false;
  }
}

let fading;
function notice(sentence) {
  clearTimeout(fading);
  byId("notice").textContent = sentence;
  byId("notice").hidden = false;
  fading = setTimeout(() => (byId("notice").hidden = true), 6000);
}

function trouble(sentence) {
  byId("trouble").textContent = sentence;
  byId("trouble").hidden = !sentence;
}

byId("unreply").addEventListener("click", () => replyTo(null));
byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("said");
  const text = field.value.trim();
  if (!text) return;
  field.value = "";
  if (!(await say(text))) field.value ||= text;
});

start().catch(() => trouble("The demo does not answer. Is it running?"));
