"""People, groups, contacts, the recycle bin and what else lives in the directory."""

import re
from collections.abc import Iterator

from infra.local.graph.call import Call, Reply
from infra.local.graph.errors import GraphError, bad_request, denied, not_found
from infra.local.graph.kinds import CONTACTS, DELETED_GROUPS, DELETED_USERS, DOMAINS, GROUPS, USERS
from infra.local.graph.listing import Kind, answer, matching, selected
from infra.local.graph.state import Row, Tenant, pick

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST_GROUP_IDS = 20
OBJECT_TYPES = {"users": "user", "groups": "group", "contacts": "orgContact"}


class Directory:
    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    # one entity with everything about it

    def organization(self, call: Call) -> Reply:
        found = self._tenant.data.get("organization", {})
        if found is None:
            raise denied()
        return Reply(body={"@odata.context": call.context("organization"), "value": [found] if found else []})

    def on_premises_synchronization(self, call: Call) -> Reply:
        found = self._tenant.data.get("onPremisesSynchronization", {})
        if found is None:
            raise denied()
        context = call.context("directory/onPremisesSynchronization")
        return Reply(body={"@odata.context": context, "value": [found] if found else []})

    def domains(self, call: Call) -> Reply:
        return answer(call, DOMAINS, self._tenant.rows("domains"), self._tenant.habits)

    def domain(self, call: Call) -> Reply:
        return self._entity(call, DOMAINS, self._tenant.one("domains", call.keys["id"]))

    # users, groups, contacts

    def users(self, call: Call) -> Reply:
        return answer(call, USERS, self._tenant.rows("users"), self._tenant.habits)

    def groups(self, call: Call) -> Reply:
        return answer(call, GROUPS, self._tenant.rows("groups"), self._tenant.habits)

    def contacts(self, call: Call) -> Reply:
        return answer(call, CONTACTS, self._tenant.rows("contacts"), self._tenant.habits)

    def user(self, call: Call) -> Reply:
        return self._entity(call, USERS, self._user(call.keys["id"]))

    def group(self, call: Call) -> Reply:
        return self._entity(call, GROUPS, self._tenant.one("groups", call.keys["id"]))

    def contact(self, call: Call) -> Reply:
        return self._entity(call, CONTACTS, self._tenant.one("contacts", call.keys["id"]))

    def users_count(self, call: Call) -> Reply:
        if not call.eventual:
            raise GraphError(400, "Request_BadRequest", "$count needs the header 'ConsistencyLevel: eventual'.")
        call.options["$count"] = "true"
        return Reply(body=len(matching(call, USERS, self._tenant.rows("users"), self._tenant.habits)))

    def sync_behavior(self, call: Call) -> Reply:
        kind = call.path.strip("/").split("/")[0].lower()
        found = self._user(call.keys["id"]) if kind == "users" else self._tenant.one(kind, call.keys["id"])
        known = self._tenant.data.get("onPremisesSyncBehavior", {})
        if known is None or known.get(found["id"], {}) is None:
            raise denied()
        context = call.context(f"{kind}('{found['id']}')/onPremisesSyncBehavior/$entity")
        told = {"id": found["id"], "isCloudManaged": False} | known.get(found["id"], {})
        return Reply(body={"@odata.context": context} | told)

    # membership

    def members(self, call: Call) -> Reply:
        group = self._tenant.one("groups", call.keys["id"])
        rows = [self._object(key) for key in group.get("members") or ()]
        return self._mixed(call, rows)

    def transitive_members(self, call: Call) -> Reply:
        self._tenant.one("groups", call.keys["id"])
        keys = list(dict.fromkeys(self._below(call.keys["id"], set())))
        return self._mixed(call, [self._object(key) for key in keys])

    def member_of(self, call: Call) -> Reply:
        key = self._user(call.keys["id"])["id"]
        return self._mixed(call, [self._object(group["id"]) for group in self._holding(key)])

    def transitive_member_of(self, call: Call) -> Reply:
        key = self._user(call.keys["id"])["id"]
        return self._mixed(call, [self._object(group) for group in self._above(key)])

    def check_member_groups(self, call: Call) -> Reply:
        asked = call.json().get("groupIds")
        if not isinstance(asked, list) or not asked or len(asked) > MOST_GROUP_IDS:
            raise bad_request(f"groupIds must hold between 1 and {MOST_GROUP_IDS} ids.")
        if not all(isinstance(key, str) and GUID.fullmatch(key) for key in asked):
            raise GraphError(400, "Request_BadRequest", "Invalid GUID in groupIds.")
        mine = self._above(self._user(call.keys["id"])["id"])
        return self._ids(call, [key for key in asked if key.lower() in {known.lower() for known in mine}])

    def get_member_groups(self, call: Call) -> Reply:
        secured_only = call.json().get("securityEnabledOnly") is True
        mine = self._above(self._user(call.keys["id"])["id"])
        secured = {group["id"] for group in self._tenant.rows("groups") if group.get("securityEnabled", True)}
        return self._ids(call, [key for key in mine if not secured_only or key in secured])

    # the recycle bin

    def deleted(self, call: Call) -> Reply:
        cast = call.keys["id"].lower().removeprefix("microsoft.").removeprefix("graph.")
        if cast == "user":
            return answer(call, DELETED_USERS, self._tenant.rows("deletedUsers"), self._tenant.habits)
        if cast == "group":
            return answer(call, DELETED_GROUPS, self._tenant.rows("deletedGroups"), self._tenant.habits)
        return self._deleted_one(call)

    def deleted_without_cast(self, _call: Call) -> Reply:
        raise bad_request("A type cast such as microsoft.graph.user is needed to list deleted items.")

    def _deleted_one(self, call: Call) -> Reply:
        key = call.keys["id"]
        for name, kind in (("deletedUsers", DELETED_USERS), ("deletedGroups", DELETED_GROUPS)):
            if any(row["id"].lower() == key.lower() for row in self._tenant.rows(name)):
                found = self._entity(call, kind, self._tenant.one(name, key))
                return Reply(body={**found.body, "@odata.type": f"#microsoft.graph.{name[7:-1].lower()}"})
        raise not_found(key)

    def restore(self, call: Call) -> Reply:
        self._tenant.written(call)
        found = self._tenant.one("deletedUsers", call.keys["id"])
        self._tenant.rows("deletedUsers").remove(found)
        found["deletedDateTime"] = None
        prefix = found["id"].replace("-", "")
        found["userPrincipalName"] = str(found.get("userPrincipalName") or "").removeprefix(prefix)
        self._tenant.data.setdefault("users", []).append(found)
        return Reply(body={"@odata.type": "#microsoft.graph.user", **selected(call, USERS, found)})

    # within

    def _user(self, key: str) -> Row:
        for row in self._tenant.rows("users"):
            if key.lower() in (row["id"].lower(), str(row.get("userPrincipalName", "")).lower()):
                return row
        raise not_found(key)

    def _entity(self, call: Call, kind: Kind, row: Row) -> Reply:
        return Reply(body={"@odata.context": call.context(f"{kind.context}/$entity"), **selected(call, kind, row)})

    def _object(self, key: str) -> Row:
        """A member may stand outside what the world tells about; then its id is all there is."""
        for name, type_name in OBJECT_TYPES.items():
            for row in self._tenant.data.get(name) or ():
                if row["id"].lower() == key.lower():
                    shown = {name: value for name, value in row.items() if name != "members"}
                    return {"@odata.type": f"#microsoft.graph.{type_name}"} | shown
        return {"@odata.type": "#microsoft.graph.directoryObject", "id": key}

    def _mixed(self, call: Call, rows: list[Row]) -> Reply:
        cast = call.keys.get("cast", "").lower().rpartition(".")[2]
        if cast:
            rows = [row for row in rows if row["@odata.type"].lower().endswith(f".{cast}")]
        reply = answer(call, USERS, rows, self._tenant.habits)
        types = {row["id"]: row["@odata.type"] for row in rows}
        value = [{"@odata.type": types[row["id"]], **row} for row in reply.body["value"]]
        return Reply(body={**reply.body, "@odata.context": call.context("directoryObjects"), "value": value})

    def _ids(self, call: Call, keys: list[str]) -> Reply:
        return Reply(body={"@odata.context": call.context("Collection(Edm.String)"), "value": keys})

    def _holding(self, key: str) -> Iterator[Row]:
        for group in self._tenant.rows("groups"):
            if key in (group.get("members") or ()):
                yield group

    def _above(self, key: str) -> list[str]:
        found: dict[str, None] = {}
        waiting = [key]
        while waiting:
            for group in self._holding(waiting.pop()):
                if group["id"] not in found:
                    found[group["id"]] = None
                    waiting.append(group["id"])
        return list(found)

    def _below(self, key: str, seen: set[str]) -> Iterator[str]:
        if key in seen:
            return
        seen.add(key)
        groups = {group["id"]: group for group in self._tenant.rows("groups")}
        for member in (pick(groups.values(), key).get("members") or ()) if key in groups else ():
            yield member
            yield from self._below(member, seen)
