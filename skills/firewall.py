"""Texts for whoever opens the way: a firewall request, and the proxy settings of an agent."""

from bot.answering import About, Skill
from skills.network_check import COLLECTORS, network_check
from skills.phrases import FIREWALL_REQUEST, PROXY_SNIPPET
from skills.servers import the_servers
from skills.views.requests import firewall_answer, proxy_answer

firewall_request = Skill(
    intents=(FIREWALL_REQUEST,),
    about=About.TENANT,
    resolve=the_servers,
    collectors=COLLECTORS,
    rules=network_check.rules,
    view=firewall_answer,
    without_tenant=True,
)
proxy_snippet = Skill(
    intents=(PROXY_SNIPPET,),
    about=About.TENANT,
    resolve=the_servers,
    collectors=COLLECTORS,
    rules=network_check.rules,
    view=proxy_answer,
    without_tenant=True,
)
