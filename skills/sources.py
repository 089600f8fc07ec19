"""The collectors that questions share, written out in the order in which sources are shown."""

from typing import Any

from bot.evidence import Collector
from bot.reach import Reach
from skills.collectors.configuration import delete_threshold, jobs, subject_job, sync_schema
from skills.collectors.log import attempts, recent_rows, subject_rows
from skills.collectors.people import account_roles, cloud_account, holders, recycle_bin, source_of_authority
from skills.collectors.site import CHECKS, ad_account, contacts, directory
from skills.collectors.subject import identity, placement
from skills.collectors.tenant import (
    agents,
    configuration_changes,
    domains,
    now,
    organization,
    service_health,
    sync_account,
    sync_features,
)
from skills.facts.subject import Subject

Collectors = tuple[Collector[Subject, Reach, Any], ...]

ABOUT_THE_TENANT: Collectors = (
    now,
    jobs,
    recent_rows,
    organization,
    domains,
    sync_features,
    delete_threshold,
    agents,
    configuration_changes,
    service_health,
    sync_account,
    contacts,
    *CHECKS,
)
ABOUT_A_PERSON: Collectors = (
    identity,
    placement,
    cloud_account,
    ad_account,
    directory,
    subject_rows,
    attempts,
    subject_job,
    sync_schema,
    recycle_bin,
    holders,
    account_roles,
    source_of_authority,
)
EVERYTHING: Collectors = ABOUT_A_PERSON + ABOUT_THE_TENANT
