"""Scope computed from the schema: containers, groups and clauses, each in, out or unknown."""

import pytest
from path import LEAVERS, OUTSIDE_DN, SALES, STAFF, clause, filtered, grouped, parsed_schema
from worlds import USER_DN, ad_object, schema

from skills.scoping import Answer, Gate, Membership, filter_of, lies_under, membership, place_of, same_dn, scope_of

PLAIN = parsed_schema(schema())

PLACES = {
    "directly in the container": (PLAIN, USER_DN, Answer.IN),
    "at any depth": (PLAIN, f"CN=Jane Doe,OU=A,OU=B,{STAFF}", Answer.IN),
    "case and spaces do not matter": (PLAIN, "cn=jane doe, ou=staff, dc=CORP, dc=contoso, dc=com", Answer.IN),
    "a name that merely ends alike": (PLAIN, "CN=Jane Doe,OU=Ex-Staff,DC=corp,DC=contoso,DC=com", Answer.OUT),
    "an escaped comma is no boundary": (PLAIN, "CN=Doe\\,OU=Staff,DC=corp,DC=contoso,DC=com", Answer.OUT),
    "elsewhere": (PLAIN, OUTSIDE_DN, Answer.OUT),
    "no restriction at all": (parsed_schema(schema(containers=())), OUTSIDE_DN, Answer.IN),
    "one of several": (parsed_schema(schema(containers=(STAFF, LEAVERS))), OUTSIDE_DN, Answer.IN),
    "a container that is no DN holds nothing": (parsed_schema(schema(containers=("Staff",))), USER_DN, Answer.OUT),
}


@pytest.mark.parametrize(("rules", "dn", "expected"), PLACES.values(), ids=PLACES)
def test_a_place_is_in_scope_below_a_selected_container_and_nowhere_else(rules, dn, expected):
    assert place_of(rules, dn, ad_object(distinguishedName=dn)).answer is expected


def test_what_decided_is_named():
    scope = place_of(PLAIN, USER_DN, None)
    assert (scope.gate, scope.by) == (Gate.CONTAINER, STAFF)


IN_OTHER = "CN=All,OU=Groups,DC=corp,DC=contoso,DC=com"
MEMBERS = {
    "direct": ({"memberOf": [SALES.lower()]}, Membership.DIRECT),
    "nested": (
        {"memberOf": [IN_OTHER], "attributes": {"msds-memberOfTransitive": [IN_OTHER, SALES]}},
        Membership.NESTED,
    ),
    "neither": ({"memberOf": [IN_OTHER]}, Membership.NONE),
    "primary, by DN": ({"attributes": {"primaryGroup": SALES}}, Membership.PRIMARY),
    "another primary": ({"attributes": {"primaryGroupID": "513"}}, Membership.NONE),
}


@pytest.mark.parametrize(("changes", "expected"), MEMBERS.values(), ids=MEMBERS)
def test_membership_counts_only_when_it_is_direct(changes, expected):
    assert membership(SALES, USER_DN, ad_object(**changes)) is expected


def test_domain_users_is_known_by_its_number():
    group = "CN=Domain Users,CN=Users,DC=corp,DC=contoso,DC=com"
    assert membership(group, USER_DN, ad_object(attributes={"primaryGroupID": 513})) is Membership.PRIMARY


def test_a_scoping_group_is_in_its_own_scope():
    assert place_of(parsed_schema(grouped(SALES)), SALES, None).answer is Answer.IN


def test_groups_without_a_look_at_the_object_are_unknown():
    assert place_of(parsed_schema(grouped(SALES)), USER_DN, None).answer is Answer.UNKNOWN


def test_a_group_given_by_an_id_that_nobody_can_translate_is_unknown():
    rules = parsed_schema(grouped("7f3c2b1e-90aa-4f2e-8c5d-1b2a3c4d5e6f"))
    assert place_of(rules, USER_DN, ad_object()).answer is Answer.UNKNOWN


def test_with_containers_and_groups_either_is_enough():
    rules = parsed_schema(grouped(SALES, containers=(STAFF,)))
    assert place_of(rules, USER_DN, ad_object()).by == STAFF
    outside = ad_object(distinguishedName=OUTSIDE_DN, memberOf=[SALES])
    assert place_of(rules, OUTSIDE_DN, outside).by == SALES
    assert place_of(rules, OUTSIDE_DN, ad_object(distinguishedName=OUTSIDE_DN)).answer is Answer.OUT


BAG = {"attributes": {"department": "Sales", "title": "", "employeeID": "1200", "otherTelephone": ["1", "2"]}}
CLAUSES = {
    ("department", "EQUALS", "Sales"): True,
    ("department", "EQUALS", "Finance"): False,
    ("department", "EQUALS", "sales"): None,
    ("department", "NOT EQUALS", "Finance"): True,
    ("department", "NOT EQUALS", "Sales"): False,
    ("title", "NOT EQUALS", "Boss"): None,
    ("title", "EQUALS", "Boss"): False,
    ("title", "IS NULL"): True,
    ("title", "IS NOT NULL"): False,
    ("department", "IS_NOT_NULL"): True,
    ("department", "REGEX MATCH", "^(Sales|Ops)$"): True,
    ("department", "REGEX MATCH", "^Fin"): False,
    ("department", "NOT REGEX MATCH", "^Fin"): True,
    ("department", "REGEX MATCH", "(a+)+$"): None,
    ("department", "REGEX MATCH", "(unclosed"): None,
    ("department", "INCLUDES", "ale"): True,
    ("department", "Includes", "xyz"): False,
    ("department", "STARTS WITH", "Sa"): True,
    ("department", "ENDS WITH", "Sa"): False,
    ("employeeID", "GREATER_THAN", "1000"): True,
    ("employeeID", "Greater_Than_OR_EQUALS", "1201"): False,
    ("department", "GREATER_THAN", "10"): None,
    ("mail", "IS NOT NULL"): True,
    ("company", "EQUALS", "Contoso"): None,
    ("department", "SOMETHING NEW", "Sales"): None,
}
ANSWERS = {True: Answer.IN, False: Answer.OUT, None: Answer.UNKNOWN}


@pytest.mark.parametrize(("parts", "expected"), CLAUSES.items(), ids=[" ".join(parts) for parts in CLAUSES])
def test_a_clause_holds_fails_or_cannot_be_told(parts, expected):
    rules = parsed_schema(filtered([clause(*parts)]))
    assert filter_of(rules, ad_object(**BAG)).answer is ANSWERS[expected]


def test_a_costly_pattern_is_left_alone():
    rules = parsed_schema(filtered([clause("department", "REGEX MATCH", "(x+x+)+y")]))
    assert filter_of(rules, ad_object(attributes={"department": "x" * 90})).answer is Answer.UNKNOWN


def test_all_clauses_of_a_group_must_hold_and_any_group_may():
    sales, boss = clause("department", "EQUALS", "Sales"), clause("title", "EQUALS", "Boss")
    item = ad_object(**BAG)
    assert filter_of(parsed_schema(filtered([sales, boss])), item).by == "title EQUALS Boss"
    assert filter_of(parsed_schema(filtered([boss], [sales])), item).answer is Answer.IN


def test_a_filter_without_a_look_at_the_object_is_unknown_and_the_place_still_decides():
    rules = parsed_schema(filtered([clause("department", "EQUALS", "Sales")]))
    assert scope_of(rules, USER_DN, None).answer is Answer.UNKNOWN
    assert scope_of(rules, OUTSIDE_DN, None).answer is Answer.OUT


def test_a_clause_that_cannot_be_filtered_on_is_always_false():
    rules = parsed_schema(filtered([clause("userType", "EQUALS", "Member")]))
    assert filter_of(rules, ad_object(attributes={"userType": "Member"})).answer is Answer.OUT


def test_names_that_are_none_are_under_nothing():
    assert not lies_under("not a dn", STAFF)
    assert same_dn("OU=Staff,DC=corp,DC=contoso,DC=com", "ou=staff, dc=corp,dc=contoso,dc=com")
