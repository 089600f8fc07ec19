/** Draws Adaptive Cards with Microsoft's renderer, in the colours of Teams. Text from outside is never HTML. */

const LIGHT = {
  card: "#ffffff", quiet: "#f5f5f5", text: "#242424", subtle: "#616161", line: "#e0e0e0",
  accent: ["#4f52b2", "#f0f0fb"], good: ["#0e700e", "#f1faf1"], warning: ["#8a3707", "#fff5ec"], attention: ["#b10e1c", "#fdf1f2"],
};
const DARK = {
  card: "#292929", quiet: "#333333", text: "#ffffff", subtle: "#b8b8b8", line: "#454545",
  accent: ["#aeb0fb", "#2d2d4d"], good: ["#9fd89f", "#0c2e0c"], warning: ["#fab484", "#43240f"], attention: ["#f4b5ba", "#43161b"],
};
const SCHEME = window.matchMedia("(prefers-color-scheme: dark)");
const TONES = ["accent", "good", "warning", "attention"];

export const canDraw = () => Boolean(window.AdaptiveCards);

export function onSchemeChange(draw) {
  SCHEME.addEventListener("change", draw);
}

/** The card as an element, or null where it cannot be drawn. `press(action, element)` is called for buttons that ask the bot. */
export function drawn(json, press) {
  if (!canDraw()) return null;
  const { AdaptiveCard, HostConfig } = window.AdaptiveCards;
  AdaptiveCard.onProcessMarkdown = boldOnly;
  const card = new AdaptiveCard();
  card.hostConfig = new HostConfig(hostConfig(SCHEME.matches ? DARK : LIGHT));
  card.onAnchorClicked = () => true;
  try {
    card.parse(json);
    const element = card.render();
    card.onExecuteAction = (action) => execute(action, press, element);
    named(element);
    return element ?? null;
  } catch (error) {
    console.error("card not drawn", error);
    return null;
  }
}

function execute(action, press, element) {
  const { ExecuteAction, OpenUrlAction } = window.AdaptiveCards;
  if (action instanceof OpenUrlAction) {
    if (/^https:\/\//.test(action.url ?? "")) window.open(action.url, "_blank", "noopener,noreferrer");
  } else if (action instanceof ExecuteAction) {
    press({ verb: action.verb, data: action.data ?? {}, title: action.title }, element);
  }
}

/** Teams draws **bold** in a TextBlock; everything else stays the text it is. */
function boldOnly(text, result) {
  const escaped = text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
  result.outputHtml = escaped.replace(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>");
  result.didProcess = true;
}

/** A card without a name would be read to the blind as a heap of groups. */
function named(element) {
  element?.setAttribute("role", "group");
}

function hostConfig(colours) {
  const shade = ([strong]) => ({ default: strong, subtle: strong });
  const foregroundColors = Object.fromEntries(TONES.map((tone) => [tone, shade(colours[tone])]));
  foregroundColors.default = { default: colours.text, subtle: colours.subtle };
  const container = (backgroundColor) => ({ backgroundColor, foregroundColors, borderColor: colours.line });
  const containerStyles = Object.fromEntries(TONES.map((tone) => [tone, container(colours[tone][1])]));
  containerStyles.default = container(colours.card);
  containerStyles.emphasis = container(colours.quiet);
  return {
    fontFamily: "inherit",
    supportsInteractivity: true,
    spacing: { small: 5, default: 8, medium: 14, large: 20, extraLarge: 28, padding: 14 },
    separator: { lineThickness: 1, lineColor: colours.line },
    fontSizes: { small: 12, default: 14, medium: 16, large: 20, extraLarge: 24 },
    fontWeights: { lighter: 400, default: 400, bolder: 600 },
    lineHeights: { small: 17, default: 20, medium: 22, large: 26, extraLarge: 30 },
    containerStyles,
    actions: { maxActions: 6, spacing: "medium", buttonSpacing: 8, actionsOrientation: "horizontal", actionAlignment: "left" },
    adaptiveCard: { allowCustomStyle: false },
    table: { cellSpacing: 8 },
  };
}
