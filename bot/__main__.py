"""The `whysync` command."""

import argparse
import asyncio
import gc
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.answering import Answer

EXIT_REFUSED = 2
EXITS = {
    "answered": 0,
    "cannot tell": 3,
    "not allowed": 4,
    "not understood": 5,
    "not found": 6,
    "unreachable": 7,
}
ASK_EXITS = "exit: 0 answered, 3 cannot tell, 4 not allowed, 5 not understood, 6 not found or ambiguous, 7 unreachable"
STORIES = (
    "healthy",
    "servicebus-blocked",
    "mended",
    "split-brain",
    "quarantine",
    "out-of-scope",
    "soft-deleted",
    "not-yet",
)


def parser() -> argparse.ArgumentParser:
    whysync = argparse.ArgumentParser(
        prog="whysync",
        description="Finds out why somebody does not sync from Active Directory to Entra ID by Cloud Sync.",
        epilog='Begin with: whysync demo. Then ask: "why isn\'t jdoe syncing"',
    )
    commands = whysync.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _demo(commands.add_parser("demo", help="everything on this machine: a simulated tenant, the bot and a chat page"))
    commands.add_parser(
        "serve",
        help="the bot in production, configured by WHYSYNC_ settings in the environment",
        description="Exits with 2 and one line for each setting that is refused.",
    ).set_defaults(run=_run_serve)
    ask = "one question against the tenant that the WHYSYNC_ settings name (docs/settings.md)"
    _ask(commands.add_parser("ask", help=ask, description=f"Asks {ask}.", epilog=ASK_EXITS))
    _doctor(commands.add_parser("doctor", help="what of the bot and its tenant works, what misses, and the fix"))
    _replay(commands.add_parser("replay", help="one question against a case file, with no tenant", epilog=ASK_EXITS))
    _score(commands.add_parser("score", help="replays every labelled case of a folder and prints the scoreboard"))
    _probe(commands.add_parser("probe", help="on an on-premises server: what it can see and reach"))
    _policy(commands.add_parser("policy", help="the policy file: whether it is sound, and whom it lets through"))
    _audit(commands.add_parser("audit", help="the record of what was asked for, decided and done"))
    _manifest(commands.add_parser("manifest", help="builds the app package that Teams is given"))
    return whysync


def _audit(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(dest="audit_command", required=True, metavar="COMMAND")
    verify = kinds.add_parser(
        "verify", help="whether it is whole", epilog="exit: 0 whole, 1 not whole (the first line names the flaw)"
    )
    files = "exported files, and kept checkpoints; without any, the store of WHYSYNC_STORE"
    verify.add_argument("files", nargs="*", type=Path, metavar="FILE", help=files)
    verify.add_argument("--key", action="append", default=[], help="a public key that may have signed checkpoints")
    kinds.add_parser("export", help="writes it to standard output, one JSON document a line")
    command.set_defaults(run=_run_audit)


def _manifest(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Builds the zip that a Teams administrator uploads: two icons, and the manifest, filled from WHYSYNC_APP_ID, "
        "WHYSYNC_PUBLIC_URL and WHYSYNC_ORGANIZATION. Microsoft's schema is asked first; there is no secret in it."
    )
    command.epilog = "exit: 0 written, 2 not, with a line for each thing that misses or is wrong. See docs/teams-app.md"
    default = Path("whysync-teams-app.zip")
    command.add_argument("--out", type=Path, default=default, metavar="FILE.zip", help=f"default {default}")
    version = "as Teams sees it; an update needs a higher one than what was uploaded (default: WhySync's own)"
    command.add_argument("--app-version", metavar="N.N.N", help=version)
    command.set_defaults(run=_run_manifest)


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=3978, help="where the chat page is served (default 3978)")
    command.add_argument("--story", default="healthy", help=f"what is wrong: {', '.join(STORIES)}")
    command.add_argument("--no-browser", action="store_true", help="do not open the chat page")
    command.set_defaults(run=_run_demo)


def _ask(command: argparse.ArgumentParser) -> None:
    command.add_argument("question", help='for example "why isn\'t jdoe syncing"')
    command.add_argument("--as", dest="role", default="admin", type=_role, help="admin, helpdesk, viewer or self:UPN")
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=_run_ask)


def _doctor(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Looks at every permission, the licence, the log, the relay, the store, keys, probes, the policy and the public"
        " address, with the WHYSYNC_ settings of this environment. Changes nothing but one row of the store, which it"
        " deletes again. What each line means: docs/doctor.md. In a chat, for admins: selftest."
    )
    command.epilog = "exit: 0 nothing is missing, 1 something is"
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=_run_doctor)


def _replay(command: argparse.ArgumentParser) -> None:
    command.add_argument("case", type=Path, nargs="+", help="a case file (several: one after another)")
    command.add_argument("--ask", dest="question", help="another question than the one in the case")
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=_run_replay)


def _score(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="a folder of case files with a gold label")
    command.add_argument("--json", action="store_true", help="the scoreboard as one JSON document")
    command.add_argument("--quick", action="store_true", help="leave out taking each decisive record away")
    command.set_defaults(run=_run_score)


def _probe(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(dest="probe_command", required=True, metavar="COMMAND")
    check = kinds.add_parser("check", help="runs checks here and now and names causes and fixes; needs no bot")
    check.add_argument("names", nargs="*", metavar="NAME", help="checks (dns, tcp, tls…), hosts of the list, or roles")
    check.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    check.add_argument("--policy", type=Path, help="the local policy file: tenant, cloud, servicebus, hosts, dns")
    check.add_argument("--tenant", metavar="ID", help="the tenant's id, which is part of a host's name")
    check.add_argument("--long", action="store_true", help="hold the quiet WebSocket for four minutes")
    check.add_argument("--record", type=Path, metavar="FILE", help="also keep what Windows answered, in a new file")
    check.add_argument("--scrub", action="store_true", help="with other names for server, domain and accounts")
    check.set_defaults(run=_run_probe_check)
    enrol = kinds.add_parser(
        "enrol", help="makes this server known to the bot, with a token that the bot gave an admin"
    )
    enrol.add_argument("token", help="the line that the bot wrote; - reads it from standard input")
    run = kinds.add_parser("run", help="answers the bot's questions about this server until it is ended")
    for each in (enrol, run):
        each.add_argument("--policy", type=Path, help="the local policy file (docs/probe.md)")
        each.add_argument("--state", type=Path, metavar="DIR", help="the folder with this probe's key and logs")
    enrol.set_defaults(run=_run_probe_enrol)
    run.set_defaults(run=_run_probe_run)


def _policy(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(dest="policy_command", required=True, metavar="COMMAND")
    check = kinds.add_parser("check", help="one line for each mistake, and what deserves a second look")
    check.set_defaults(run=_run_policy_check)
    trial = kinds.add_parser("try", help="whom the file would let through, on past asks or on a question")
    for each in (check, trial):
        each.add_argument("file", type=Path, metavar="FILE", help="the policy file (docs/policy.md)")
    trial.add_argument("question", nargs="*", metavar="QUESTION", help='for example "why isn\'t jdoe syncing"')
    trial.add_argument("--past", type=Path, metavar="LOG", help="asks of the past, one JSON object a line")
    roles = ("admin", "helpdesk", "viewer", "approver", "self")
    trial.add_argument("--as", dest="roles", action="append", choices=roles, help="of who asks; may be repeated")
    trial.add_argument("--channel", metavar="ID", help="where it is asked; the personal chat if left out")
    trial.add_argument("--against", type=Path, metavar="OLD", help="another policy file: what changes from it")
    trial.set_defaults(run=_run_policy_try)


def _role(text: str) -> str:
    if text in ("admin", "helpdesk", "viewer", "approver") or (text.startswith("self:") and len(text) > len("self:")):
        return text
    raise argparse.ArgumentTypeError("must be admin, helpdesk, viewer or self:UPN")


def _run_demo(arguments: argparse.Namespace) -> int:
    from infra.local.demo import demo  # here, so that the other commands start without the simulators

    return asyncio.run(demo(arguments.port, arguments.story, open_browser=not arguments.no_browser))


def _run_serve(_: argparse.Namespace) -> int:
    gc.disable()  # what is imported stays: looking through it for garbage would be a sixth of the start
    from bot.app import serve
    from bot.people import RefusedPolicy
    from bot.settings import RefusedSettings, for_serving, from_environment
    from bot.telemetry import start_logging

    gc.freeze()
    gc.enable()
    try:
        settings = for_serving(from_environment())
        start_logging(settings.log_level)
        asyncio.run(serve(settings))
    except (RefusedSettings, RefusedPolicy) as refusal:
        return _refused(refusal.lines)
    return 0


def _run_ask(arguments: argparse.Namespace) -> int:
    from bot.app import ask, open_graph, reach_of
    from bot.clock import SystemClock
    from bot.settings import RefusedSettings, from_environment

    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what it says at length, the answer says in a sentence
    logging.getLogger("whysync").setLevel(logging.ERROR)

    async def once() -> "Answer":
        clock = SystemClock()
        async with open_graph(settings, clock) as graph:
            return await ask(arguments.question, arguments.role, reach_of(graph, clock), graph)

    try:
        settings = from_environment()
    except RefusedSettings as refusal:
        return _refused(refusal.lines)
    return _show(asyncio.run(once()), as_json=arguments.json)


def _run_doctor(arguments: argparse.Namespace) -> int:
    from bot.doctor.command import doctor
    from skills.acts import ACTIONS
    from skills.selftest import tenant_checks

    for chatty in ("azure", "whysync"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what they say at length, a line says in a sentence
    return asyncio.run(doctor(tenant_checks, {each.op: each for each in ACTIONS}, as_json=arguments.json))


def _run_replay(arguments: argparse.Namespace) -> int:
    from infra.local.replay import replay
    from infra.local.world import CaseError, World

    worst = 0
    for path in arguments.case:
        try:
            world = World.load(path)
        except CaseError as error:
            return _refused([str(error)])
        if len(arguments.case) > 1:
            sys.stderr.write(f"{path.name}: {world.title}\n")
        worst = max(worst, _show(asyncio.run(replay(world, arguments.question)), as_json=arguments.json))
    return worst if len(arguments.case) == 1 else 0


def _run_score(arguments: argparse.Namespace) -> int:
    from infra.local.score import score, table

    try:
        board = asyncio.run(score(arguments.folder, ablate=not arguments.quick))
    except OSError as error:
        return _refused([str(error)])
    sys.stdout.write(json.dumps(board, indent=1) + "\n" if arguments.json else table(board))
    return 0


def _run_probe_check(arguments: argparse.Namespace) -> int:
    from bot.probe.local import Wanted, check
    from bot.probe.policy import RefusedPolicy
    from skills.catalogue import catalogue

    wanted = Wanted(tuple(arguments.names), arguments.policy, arguments.tenant, arguments.long)
    wanted = replace(wanted, record=arguments.record, scrub=arguments.scrub)
    try:
        asyncio.run(check(wanted, catalogue(), sys.stdout, sys.stderr, as_json=arguments.json))
    except RefusedPolicy as refusal:
        return _refused(refusal.lines)
    return 0


def _run_probe_enrol(arguments: argparse.Namespace) -> int:
    from bot.probe.enrolling import EnrolError, enrol, show
    from bot.probe.identity import State, StateError, default_folder
    from bot.probe.policy import LocalPolicy, RefusedPolicy, load_policy

    line = arguments.token if arguments.token != "-" else sys.stdin.readline()  # noqa: S105  # a dash is no secret
    try:
        policy = load_policy(arguments.policy) if arguments.policy else LocalPolicy()
        done = asyncio.run(enrol(line, State(arguments.state or default_folder()), policy.fallback))
    except RefusedPolicy as refusal:
        return _refused(refusal.lines)
    except (EnrolError, StateError) as error:
        return _refused([str(error)])
    show(done, sys.stdout)
    return 0


def _run_probe_run(arguments: argparse.Namespace) -> int:
    from bot.probe.identity import State, StateError, default_folder
    from bot.probe.policy import LocalPolicy, RefusedPolicy, load_policy
    from bot.probe.running import run_for_ever

    try:
        policy = load_policy(arguments.policy) if arguments.policy else LocalPolicy()
        run_for_ever(policy, State(arguments.state or default_folder()))
    except RefusedPolicy as refusal:
        return _refused(refusal.lines)
    except StateError as error:
        return _refused([str(error)])
    return 0


def _run_policy_check(arguments: argparse.Namespace) -> int:
    from bot.policy import Policy, RefusedPolicy
    from bot.policy_trial import doubts
    from skills.acts import ACTIONS

    acts = {action.op: action for action in ACTIONS}
    try:
        found = doubts(Policy.load(arguments.file, acts), acts)
    except RefusedPolicy as refusal:
        return _refused(refusal.lines)
    sys.stdout.write("".join(f"note: {line}\n" for line in found) + f"{arguments.file}: no mistakes\n")
    return 0


def _run_policy_try(arguments: argparse.Namespace) -> int:
    from bot.app import GRAMMAR
    from bot.policy import Policy, RefusedPolicy, Role, Where
    from bot.policy_trial import Known, asked, past_asks, report
    from skills.acts import ACTIONS
    from skills.questions import SKILLS

    known = Known(SKILLS, {action.op: action for action in ACTIONS})
    where = Where(arguments.channel, personal=arguments.channel is None)
    try:
        policies = [Policy.load(path, known.actions) for path in (arguments.file, arguments.against) if path]
        roles = frozenset(Role(role) for role in arguments.roles or ["admin"])
        pasts = [asked(text, GRAMMAR, known, roles, where) for text in arguments.question]
        pasts += past_asks(arguments.past.read_text(encoding="utf-8"), known) if arguments.past else []
    except RefusedPolicy as refusal:
        return _refused(refusal.lines)
    except (OSError, ValueError) as error:
        return _refused([str(error)])
    sys.stdout.write(report(pasts, *policies))
    return 0


def _run_manifest(arguments: argparse.Namespace) -> int:
    from bot.manifest import RefusedPackage, package_of, write
    from bot.settings import RefusedSettings, from_environment

    try:
        package = package_of(from_environment(), arguments.app_version)
        write(package, arguments.out)
    except (RefusedSettings, RefusedPackage) as refusal:
        return _refused(refusal.lines)
    sys.stdout.write(package.told(arguments.out))
    return 0


def _run_audit(arguments: argparse.Namespace) -> int:
    from bot.audit_command import AuditRefused, run
    from bot.settings import RefusedSettings, from_environment

    export = arguments.audit_command == "export"
    files, keys = ([], []) if export else (arguments.files, arguments.key)
    try:
        return asyncio.run(run(from_environment(), export=export, files=files, keys=keys))
    except RefusedSettings as refusal:
        return _refused(refusal.lines)
    except AuditRefused as refusal:
        return _refused([str(refusal)])


def _show(answer: "Answer", *, as_json: bool) -> int:
    from bot.cards.plain import plain

    sys.stdout.write(json.dumps(answer.document) + "\n" if as_json else plain(answer.card))
    return EXITS[answer.outcome.value]


def _refused(lines: Sequence[str]) -> int:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return EXIT_REFUSED


def main() -> int:
    arguments = parser().parse_args()
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
