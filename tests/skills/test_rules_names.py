"""Who is meant: two of a name are asked about, never guessed."""

from bot.diagnosis import Kind, diagnose
from bot.evidence import Evidence, Record
from skills.facts.subject import Candidate, Identity, Subject
from skills.rules.names import NAMES

TWO = (Candidate("Jo Smith", "jo@corp.contoso.com", "1"), Candidate("Jo Smith", "jo@emea.contoso.com", "2"))


def found(*candidates: Candidate) -> list[str]:
    identity = Identity(Record("graph:users/1"), Subject("jsmith", candidates=candidates))
    return [each.id for each in diagnose(Evidence({Identity: identity}), NAMES).found]


def test_two_of_a_name_are_said_to_be_two():
    assert found(*TWO) == ["tool-ambiguous-name"]
    assert NAMES[0].kind is Kind.NOTE


def test_one_of_a_name_is_nothing_to_mention():
    assert found() == []
