"""What the bot says of itself on the web: the pages that a Teams app has to name, each true of this program."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Final

from aiohttp import web

from bot.settings import Settings

STYLE: Final = (
    "body{font:1rem/1.55 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1.25rem;color:#1b2a2e;"
    "background:#fff}h1{color:#0b5563;line-height:1.2}h2{font-size:1.1rem;margin:1.8rem 0 .4rem}"
    "p,li{margin:.5rem 0}a{color:#0b5563}nav{margin-top:2rem}nav a{margin-right:1rem}"
    "@media(prefers-color-scheme:dark){body{color:#e4ecee;background:#10191b}h1,a{color:#8fd3e0}}"
)
HEADERS: Final = {
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
SOMEBODY: Final = "the organization that installed it"


@dataclass(frozen=True)
class Page:
    path: str
    title: str
    text: str
    """Sections apart by an empty line, each with its heading on the first one; a dash begins an item of a list.

    `{who}` is whoever runs the bot.
    """


ABOUT: Final = Page(
    "/about",
    "WhySync",
    """
What it does
WhySync answers in Microsoft Teams why somebody does not sync from Active Directory to Microsoft Entra ID by Cloud
Sync. It names the cause, how that is known, who can mend it and how, and what it could not see.

How to ask
Open a chat with WhySync, or mention it in a channel or group chat, and ask in plain words: why isn't jdoe syncing.
“Help” shows what else can be asked. What you may ask is decided by {who}.

Who runs it
This installation is run by {who}. Turn to them with questions about it.
""",
)
PRIVACY: Final = Page(
    "/privacy",
    "Privacy",
    """
Who is responsible
This installation of WhySync is run by {who}, in systems of their own. Requests about your data go to them. Those
who make WhySync receive nothing: no data, no usage figures.

What it reads
Messages in which it is mentioned and messages in its own chats, with the sender's account and the chat they came
from. It has no right to read other messages, files, calls or mail. To answer a question it reads the directory
records it is about, the provisioning and audit logs and, where {who} has put probes on servers, Active Directory
and the state of those servers. Fixed rules judge what is found; no language model sees it.

What it keeps
Answers stay in the Teams chat where they were given and follow that chat's retention. In its own store it keeps:
- where it may answer (ids of chats and accounts), until it is removed from there;
- the ids of messages that came, without their text, for a day, so that none is answered twice;
- what the buttons under an answer ask, which counts for a day and is deleted within days after;
- what a thread was last about, for a day, so that a question can follow on another one;
- what the service answered when one person was synced at once, for a day;
- when you asked and, as hashes, about whom, which counts for an hour, so that nobody goes through the directory
person by person;
- what servers answered, on its way from one of its instances to another, for minutes;
- servers that were enrolled, and by whom.

Changes to the directory
Each request for a change is kept with whom it concerns, who asked, who decided, when, and the reasons they gave,
also in an audit that cannot be altered unnoticed; so is who stopped all changes, and why. WhySync does not delete
it; {who} decides how long it is kept.

Logs
Its technical log holds account ids, codes and times, no message texts and no names. {who_first} decides how long it
is kept.
""",
)
TERMS: Final = Page(
    "/terms",
    "Terms of use",
    """
Who may use it
WhySync is run by {who} for people of their own tenants. Guests are refused. Ask only about accounts that are your
business; what each role may ask is set by {who}, and limits apply.

What an answer is
An answer says what the named sources showed when it was given, and how sure that is. Sources can be late or out of
reach, and the answer then says so. Check what matters before you act on it.

Changes
WhySync changes nothing by itself. Where {who} has allowed changes, one is made when somebody who may ask for it has
asked and somebody else has approved it; in an emergency those named for it may go alone, in the open, and are reviewed
afterwards. Requests and decisions are recorded.

No warranty
WhySync is open source under the MIT License and comes without warranty of any kind. Your employer's rules for the
use of its systems apply here too.
""",
)
PAGES: Final = (ABOUT, PRIVACY, TERMS)


def install(app: web.Application, settings: Settings) -> None:
    """Nothing on them depends on who looks."""
    for page in PAGES:
        app.router.add_get(page.path, partial(_served, written(page, settings)))


async def _served(text: str, _: web.Request) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def written(page: Page, settings: Settings) -> str:
    who = settings.organization or SOMEBODY
    text = page.text.format(who=who, who_first=who[:1].upper() + who[1:])
    body = "".join(map(_section, text.strip().split("\n\n")))
    title = page.title if page is ABOUT else f"WhySync: {page.title}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}<nav>{_links(page, PAGES, settings)}</nav></body></html>"
    )


def _section(text: str) -> str:
    heading, _, rest = text.partition("\n")
    paragraph, *items = rest.split("\n- ")
    listed = "".join(f"<li>{_line(item)}</li>" for item in items)
    return f"<h2>{_line(heading)}</h2><p>{_line(paragraph)}</p>" + (f"<ul>{listed}</ul>" if listed else "")


def _line(text: str) -> str:
    return escape(" ".join(text.split()))


def _links(shown: Page, pages: Sequence[Page], settings: Settings) -> str:
    links = [(page.title, page.path.removeprefix("/")) for page in pages if page is not shown]
    links += [("Support", settings.support_url)] if settings.support_url else []
    return "".join(f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in links)
