"""A deleted account brought back, if the sync would keep it."""

from acts_world import BY_OP, Json, done, plan_of, planned, refusal, story, told

from bot.acts import Plan, Seen

ASK = "restore jdoe from the recycle bin"
RESTORE = BY_OP["restore_user"]


def ad_object(case: Json) -> Json:
    objects = case["sites"][0]["checks"]["directory"]["data"]["objects"]
    found: Json = next(item for item in objects if item["sAMAccountName"] == "jdoe")
    return found


async def test_a_deleted_account_comes_back():
    async with told("soft-deleted") as served:
        plan = await planned(served, ASK)
        assert isinstance(plan, Plan)
        assert plan.title == "Restore Jane Doe from the recycle bin"
        assert plan.thing.target == plan.subject
        called, look = await done(served, plan.thing)
        assert (called.ok, look.seen) == (True, Seen.CHANGED)
        assert look.says == "jdoe@contoso.com is back in Entra."
        assert [(write.path, write.body) for write in served.server.writes] == [
            (f"/directory/deletedItems/{plan.thing.target}/restore", "")
        ]


async def test_after_the_restore_a_run_is_offered_again():
    async with told("soft-deleted") as served:
        await done(served, (await plan_of(served, ASK)).thing)
        assert isinstance(await planned(served, "provision jdoe now"), Plan)


async def test_an_account_out_of_scope_would_be_deleted_again():
    case = story("soft-deleted")
    mine = ad_object(case)
    mine["distinguishedName"] = mine["distinguishedName"].replace("OU=Marketing,OU=Staff", "OU=Contractors")
    async with told(case) as served:
        refused = await refusal(served, ASK)
        assert "out of scope" in refused.reason
        assert refused.overrule is not None
        assert refused.reason in refused.overrule.warnings


async def test_who_has_left_active_directory_is_not_brought_back():
    case = story("soft-deleted")
    data = case["sites"][0]["checks"]["directory"]["data"]
    data["objects"] = [item for item in data["objects"] if item["sAMAccountName"] != "jdoe"]
    async with told(case) as served:
        assert "not in Active Directory any more" in (await refusal(served, ASK)).reason


async def test_without_a_probe_it_is_said_that_nobody_could_look():
    async with told(story("soft-deleted") | {"sites": []}) as served:
        plan = await planned(served, ASK)
        assert isinstance(plan, Plan)
        assert "could not be looked up" in plan.warnings[0]


async def test_who_was_never_deleted_is_not_restored():
    async with told("healthy") as served:
        assert "no deleted account" in (await refusal(served, "restore aadmin from the recycle bin")).reason


async def test_beside_a_live_account_a_second_one_is_refused():
    case = story("soft-deleted")
    twin = story("split-brain")["tenant"]["users"][-1]
    case["tenant"]["users"].append(twin | {"id": "33333333-1111-4111-8111-111111111111"})
    async with told(case) as served:
        refused = await refusal(served, ASK)
        assert "would be a second one" in refused.reason
        assert refused.overrule is None


async def test_of_two_deleted_accounts_one_has_to_be_named():
    case = story("soft-deleted")
    gone = next(user for user in case["tenant"]["deletedUsers"] if user["displayName"] == "Jane Doe")
    case["tenant"]["deletedUsers"].append(gone | {"id": "33333333-1111-4111-8111-111111111111"})
    async with told(case) as served:
        refused = await refusal(served, ASK)
        assert len(refused.instead) == 2


async def test_deleted_anew_meanwhile_is_another_world():
    async with told("soft-deleted") as served:
        thing = (await plan_of(served, ASK)).thing
        gone = next(user for user in served.server.tenant.data["deletedUsers"] if user["id"] == thing.target)
        gone["deletedDateTime"] = "2026-11-20T09:00:00Z"
        assert await RESTORE.observe(thing, served.reach) != thing.preconditions


async def test_before_the_call_a_look_sees_no_change():
    async with told("soft-deleted") as served:
        thing = (await plan_of(served, ASK)).thing
        assert (await RESTORE.verify(thing, thing.preconditions, served.reach)).seen is Seen.UNCHANGED
