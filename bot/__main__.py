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

from bot.command_help import COMMANDS

if TYPE_CHECKING:
    from bot.answering import Answer

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # it has no public name

EXIT_REFUSED = 2
EXITS = {
    "answered": 0,
    "cannot tell": 3,
    "not allowed": 4,
    "not understood": 5,
    "not found": 6,
    "unreachable": 7,
}
ROLES = "admin, helpdesk, viewer, approver or self:UPN"
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
        epilog='Begin with: whysync demo. Then ask: "why isn\'t jdoe syncing". More: whysync COMMAND --help',
    )
    commands = whysync.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _demo(_command(commands, "demo"))
    _command(commands, "serve").set_defaults(run=_run_serve)
    _ask(_command(commands, "ask"))
    _doctor(_command(commands, "doctor"))
    _replay(_command(commands, "replay"))
    _score(_command(commands, "score"))
    _probe(_command(commands, "probe"))
    _policy(_command(commands, "policy"))
    _audit(_command(commands, "audit"))
    _manifest(_command(commands, "manifest"))
    return whysync


def _command(commands: "Commands", *name: str) -> argparse.ArgumentParser:
    return commands.add_parser(name[-1], **COMMANDS[" ".join(name)]._asdict())


def _audit(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(dest="audit_command", required=True, metavar="COMMAND")
    verify = _command(kinds, "audit", "verify")
    files = "exported files, and kept checkpoints; without any, the store of WHYSYNC_STORE"
    verify.add_argument("files", nargs="*", type=Path, metavar="FILE", help=files)
    verify.add_argument(
        "--key", action="append", default=[], metavar="PUBLIC_KEY", help="that may have signed checkpoints"
    )
    _command(kinds, "audit", "export")
    command.set_defaults(run=_run_audit)


def _manifest(command: argparse.ArgumentParser) -> None:
    default = Path("whysync-teams-app.zip")
    command.add_argument("--out", type=Path, default=default, metavar="FILE.zip", help=f"default {default}")
    version = "as Teams sees it; an update needs a higher one than what was uploaded (default: WhySync's own)"
    command.add_argument("--app-version", metavar="N.N.N", help=version)
    command.set_defaults(run=_run_manifest)


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, default=3978, help="where the chat page is served (default 3978)")
    command.add_argument("--story", default="healthy", help=f"what is wrong: {', '.join(STORIES)} (default healthy)")
    command.add_argument("--no-browser", action="store_true", help="do not open the chat page")
    command.set_defaults(run=_run_demo)


def _ask(command: argparse.ArgumentParser) -> None:
    command.add_argument("question", help='for example "why isn\'t jdoe syncing"')
    command.add_argument("--as", dest="role", default="admin", type=_role, help=f"{ROLES} (default admin)")
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=_run_ask)


def _doctor(command: argparse.ArgumentParser) -> None:
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
    command.add_argument("--quick", action="store_true", help="leave out taking records away: under a minute")
    command.set_defaults(run=_run_score)


def _probe(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(dest="probe_command", required=True, metavar="COMMAND")
    check = _command(kinds, "probe", "check")
    check.add_argument("names", nargs="*", metavar="NAME", help="checks (dns, tcp, tls…), hosts of the list, or roles")
    check.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    check.add_argument("--policy", type=Path, metavar="FILE", help="the local policy file (docs/probe.md)")
    check.add_argument("--tenant", metavar="ID", help="the tenant's id, which is part of a host's name")
    check.add_argument("--long", action="store_true", help="hold the quiet WebSocket for four minutes")
    check.add_argument("--record", type=Path, metavar="FILE", help="also keep what Windows answered, in a new file")
    check.add_argument("--scrub", action="store_true", help="give server, domain and accounts other names there")
    check.set_defaults(run=_run_probe_check)
    enrol = _command(kinds, "probe", "enrol")
    enrol.add_argument("token", help="the line that the bot wrote; - reads it from standard input")
    run = _command(kinds, "probe", "run")
    for each in (enrol, run):
        each.add_argument("--policy", type=Path, metavar="FILE", help="the local policy file (docs/probe.md)")
        each.add_argument("--state", type=Path, metavar="DIR", help="the folder with this probe's key and logs")
    enrol.set_defaults(run=_run_probe_enrol)
    run.set_defaults(run=_run_probe_run)


def _policy(command: argparse.ArgumentParser) -> None:
    kinds = command.add_subparsers(dest="policy_command", required=True, metavar="COMMAND")
    check = _command(kinds, "policy", "check")
    check.set_defaults(run=_run_policy_check)
    trial = _command(kinds, "policy", "try")
    for each in (check, trial):
        each.add_argument("file", type=Path, metavar="FILE", help="the policy file (docs/policy.md)")
    trial.add_argument("question", nargs="*", metavar="QUESTION", help='for example "why isn\'t jdoe syncing"')
    trial.add_argument("--past", type=Path, metavar="LOG", help="asks of the past, one JSON object a line")
    roles = ("admin", "helpdesk", "viewer", "approver", "self")
    trial.add_argument(
        "--as", dest="roles", action="append", choices=roles, help="the role of whoever asks QUESTION; may be repeated"
    )
    trial.add_argument("--channel", metavar="ID", help="where it is asked; the personal chat if left out")
    trial.add_argument("--against", type=Path, metavar="OLD", help="another policy file: what changes from it")
    trial.set_defaults(run=_run_policy_try)


def _role(text: str) -> str:
    if text in ("admin", "helpdesk", "viewer", "approver") or (text.startswith("self:") and len(text) > len("self:")):
        return text
    raise argparse.ArgumentTypeError(f"must be {ROLES}")


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError("must be a number from 0 to 65535 (0: any that is free)")


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

    if arguments.folder.is_dir() and not any(arguments.folder.glob("*.json")):
        return _refused([f"{arguments.folder} holds no case files (*.json)"])
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
    except OSError as error:
        return _refused([f"{error.filename}: {error.strerror}"])
    except ValueError as error:
        return _refused([str(error)])
    if not arguments.question and not arguments.past:
        return _refused(["There is nothing to try: give a QUESTION, or --past LOG"])
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
