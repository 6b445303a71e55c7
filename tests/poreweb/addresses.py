"""Every address of the site, what it takes, and the least role that it is for."""

from typing import NamedTuple

VIEWER, REVIEWER, LEAD = ROLES = ("viewer", "reviewer", "lead")


class Way(NamedTuple):
    """A method of an address: its name, what stands in it (see `keys` in test_access), and the least role."""

    name: str
    method: str
    role: str
    parts: tuple[str, ...]


def ways(role: str, method: str, *listed: str) -> list[Way]:
    """Of lines such as "review:event event"."""
    return [Way(name, method, role, tuple(parts)) for name, *parts in (line.split() for line in listed)]


PAGES = [
    *ways(VIEWER, "get",
        "observations:patch patch", "observations:viewer patch", "observations:layer patch frame Br",
        "observations:features patch frame", "observations:thumbnail patch frame", "observations:ingest ingest",
        "tracks:run run", "tracks:tracks run", "tracks:accuracy run", "review:events run", "review:event event",
        "review:live event", "review:strip event", "review:track run track", "review:carry run",
        "exports:download export", "consensus:agreement team", "people:team team", "people:history team",
        "releases:lineage run", "releases:lineage-json run", "releases:list patch", "releases:release patch release",
        "releases:file patch release lineage.json", "discussion:threads patch", "context:locator patch",
        "context:keywords patch", "context:solar-events patch", "sequences:sequence sequence",
        "sequences:picture sequence dark1-mean", "sequences:picture-fits sequence dark1-mean",
        "sequences:correct sequence", "sequences:add sequence", "acquire:acquisition acquisition"),
    *ways(REVIEWER, "post",
        "acquire:order acquisition", "acquire:cancel acquisition", "acquire:retry acquisition",
        "acquire:go-on acquisition", "acquire:forget-preview acquisition", "acquire:pause watch",
        "acquire:resume watch", "acquire:forget watch",
        "sequences:correct sequence", "sequences:add sequence", "sequences:cancel sequence", "sequences:retry sequence",
        "tracks:start patch", "tracks:extend run", "tracks:cancel run", "tracks:retry run", "review:give-verdict event",
        "review:judge-all run", "review:judge-track run track", "review:undo run", "review:redo run",
        "exports:request run", "releases:build-again run", "discussion:say patch", "discussion:reply comment",
        "discussion:resolve comment", "discussion:edit comment", "context:search patch"),
    *ways(LEAD, "get", "consensus:gold team", "consensus:assignments run", "acquire:email team"),
    *ways(LEAD, "post",
        "acquire:email team",
        "review:settle event", "review:carry run", "consensus:set-gold event", "consensus:remove-gold event",
        "consensus:gold-from-truth run", "consensus:assign run", "consensus:unassign run", "people:set-role member",
        "people:remove-member member", "people:set-rules team", "people:invite team", "people:revoke invitation",
        "releases:freeze run", "releases:make-again patch release"),
]  # fmt: skip
API = [
    *ways(VIEWER, "get",
        "api:patch patch", "api:frames patch", "api:threads patch", "api:releases patch", "api:release patch release",
        "api:release-file patch release lineage.json", "api:run run", "api:log run", "api:run-frames run",
        "api:features run one", "api:tracks run", "api:track run track", "api:track-features run track",
        "api:track-events run track", "api:links run", "api:alternatives run", "api:publication run", "api:lineage run",
        "api:exports run", "api:export export", "api:export-file export", "api:events run", "api:progress run",
        "api:settlements run", "api:carry run", "api:carry-events run", "api:steps run", "api:event event",
        "api:history event", "api:presence event", "api:agreement team", "api:disagreements team", "api:own-share team",
        "api:thread comment", "api:team team", "api:members team", "api:team-history team", "api:solar-events patch",
        "api:event-search patch", "api:sharp-keywords patch", "api:acquisition acquisition", "api:records acquisition",
        "api:room team", "api:watch watch", "api:sequence sequence", "api:sequence-frames sequence",
        "api:sequence-picture sequence dark1-mean", "api:ingest ingest"),
    *ways(VIEWER, "post", "api:mark-read comment"),
    *ways(REVIEWER, "post",
        "api:start-run patch", "api:threads patch", "api:extend run", "api:cancel run", "api:retry run",
        "api:judge-track run track", "api:exports run", "api:judge-all run", "api:undo run", "api:redo run",
        "api:give-verdict event", "api:presence event", "api:reply comment", "api:event-search patch",
        "api:preview team", "api:order acquisition", "api:cancel-acquisition acquisition",
        "api:retry-acquisition acquisition", "api:go-on acquisition", "api:watch-harp team", "api:watch-folder team",
        "api:pause watch", "api:resume watch", "api:send-list team", "api:send-sequence team", "api:send-records team",
        "api:later-images sequence", "api:cancel-sequence sequence", "api:retry-sequence sequence"),
    *ways(REVIEWER, "put", "api:resolve comment"),
    *ways(REVIEWER, "patch", "api:comment comment", "api:sequence sequence"),
    *ways(REVIEWER, "delete", "api:presence event", "api:acquisition acquisition", "api:watch watch"),
    *ways(LEAD, "get",
        "api:gold team", "api:measured team", "api:assignments run", "api:invitations team",
        "api:jsoc-email team"),
    *ways(LEAD, "post",
        "api:freeze run", "api:carry run", "api:settle event", "api:gold-from-truth run", "api:assignments run",
        "api:take-back run", "api:share-out run", "api:invitations team"),
    *ways(LEAD, "put", "api:set-gold event", "api:jsoc-email team"),
    *ways(LEAD, "patch", "api:team team", "api:member member"),
    *ways(LEAD, "delete", "api:set-gold event", "api:member member", "api:invitation invitation"),
]  # fmt: skip
# What everybody who is signed in has for himself; what is listed there is of his teams alone.
OWN = [
    "observations:home", "observations:upload", "review:queue", "people:logout", "people:password", "people:keys",
    "people:tokens", "people:revoke-token", "people:teams", "discussion:inbox", "discussion:counts", "api:schema",
    "api:docs", "api:nothing", "api:patches", "api:runs", "api:queue", "api:queue-progress", "api:mentions",
    "api:mentions-read", "api:me", "api:teams", "acquire:find", "acquire:noaa-list", "acquire:refresh-noaa-list",
    "acquire:schedule-noaa-list", "acquire:import-noaa-list", "acquire:region-list", "acquire:preview-list",
    "acquire:acquisitions", "acquire:new", "acquire:schedule", "acquire:watch-harp", "acquire:watch-folder",
    "api:find", "api:noaa-list", "api:refresh-noaa-list", "api:noaa-pairs", "api:acquisitions", "api:watches",
    "api:sequences", "api:ingests",
    "sequences:list", "sequences:new",
]  # fmt: skip
# The only ones without signing in. Of an invitation the secret in its address lets in.
OPEN = ["people:login", "people:invitation"]
