/** Builds what is seen of a message. Everything goes in as text nodes. */

import { drawn } from "./cards.js";

const BOT = "28:whysync";

/** `el("p.subtle", {title: "…"}, "text", child)` */
export function el(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export const isBot = (message) => message.sender === BOT;

export function nameOf(message, personas) {
  return isBot(message) ? "WhySync" : (personas.get(message.sender)?.name ?? "Somebody");
}

export function initials(name) {
  return name.split(" ").map((word) => word[0]).join("").slice(0, 2);
}

export function avatar(key, name) {
  return el(`span.avatar.of-${isBot({ sender: key }) ? "bot" : key}`, { "aria-hidden": "true" }, isBot({ sender: key }) ? "?" : initials(name));
}

/** One message: who, when, whether it was edited, and the words or the card. */
export function messageElement(message, { personas, self, press }) {
  const name = nameOf(message, personas);
  const at = new Date(message.at);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const head = el(
    "p.head", {},
    el("strong", {}, name),
    isBot(message) ? el("span.badge", {}, "App") : el("span.role", {}, personas.get(message.sender)?.role ?? ""),
    el("time", { datetime: message.at, title: at.toLocaleString() }, time),
    message.edited ? el("span.edited", {}, "Edited") : null,
  );
  const kind = `article.message${isBot(message) ? ".bot" : ""}${message.sender === self ? ".own" : ""}`;
  const labelled = { "data-id": message.id, "aria-label": `${name}, ${time}${message.edited ? ", edited" : ""}` };
  return el(kind, labelled, avatar(message.sender, name), el("div.said", {}, head, content(message, press)));
}

function content(message, press) {
  if (!message.card) return el("p.text", {}, ...withMentions(message));
  const card = drawn(message.card, (action, element) => press(message, action, element));
  if (card) return el("div.card", {}, card);
  return el("p.text", {}, message.summary || message.card.fallbackText || "A card that cannot be shown here.");
}

/** In a post to the bot its name stands before the words; elsewhere it is found among them. */
function withMentions({ text, mentions }) {
  const [name] = mentions;
  if (!name) return [text];
  const mention = el("span.mention", {}, name);
  const at = text.indexOf(name);
  return at < 0 ? [mention, ` ${text}`] : [text.slice(0, at), mention, text.slice(at + name.length)];
}

/** What a screen reader says of a new or changed message. */
export function spoken(message, personas) {
  const changed = message.edited ? " changed a message" : "";
  return `${nameOf(message, personas)}${changed}: ${message.summary || message.text}`;
}

/** A row of radio buttons that look like tabs. */
export function choices(fieldset, group, entries, choose) {
  const radios = entries.map(({ value, label, ...rest }) => {
    const input = el("input", { type: "radio", name: group, value, onchange: () => choose(value) });
    return el("label", { "data-value": value, ...rest }, input, ...label);
  });
  fieldset.replaceChildren(fieldset.querySelector("legend"), ...radios);
}

export function check(fieldset, value) {
  for (const input of fieldset.querySelectorAll("input")) input.checked = input.value === value;
}
