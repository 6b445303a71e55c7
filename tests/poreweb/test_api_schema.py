"""The API's description of itself: valid, and true of every answer to requests that nobody thought of."""

import copy
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from knox.models import AuthToken
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from poreweb.acquire.models import Acquisition, Watch
from poreweb.api.schema import described
from poreweb.consensus.actions import set_gold
from poreweb.context.models import SolarEvent
from poreweb.observations.models import Patch
from poreweb.people.models import Invitation, Team
from poreweb.releases.actions import freeze_release
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.models import Assignment
from poreweb.wsgi import application
from tests.poreweb.sequencing import make_sequence

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    unsupported_method,
]  # fmt: skip
# More of them, and others each time: API_EXAMPLES=200 pytest tests/poreweb/test_api_schema.py
N_EXAMPLES = int(os.getenv("API_EXAMPLES", "3"))
IS_FIXED = "API_EXAMPLES" not in os.environ
NOT_THERE = 2**62


@pytest.fixture
def keys(run, event, alice, bob, lena, queues, start, no_files) -> dict[str, list[Any]]:
    """Values for each name that stands for a row: such as are there, so that more than 404 is seen."""
    gap, *_ = run.events.filter(kind="gap")
    give_verdict(event, bob, Judgement("reject", "motion", "…"))
    give_verdict(gap, alice, Judgement("correct", correction={"spurious": [gap.parents.first().pk]}))
    settle(event, lena, Judgement("accept"))
    set_gold(event, Judgement("accept"), lena)
    freeze_release(run, lena, "…")
    rerun = start(work=True)
    rerun.exports.all().delete()  # they have no files
    Assignment.objects.create(event=event, user=alice, by=lena)
    thread = run.patch.comments.create(author=bob, text="Look here, @alice", event=event)
    thread.mentions.create(user=alice)
    mine = thread.replies.create(patch=run.patch, author=alice, text="Where?")
    invitation = Invitation.objects.create(team_id=1, secret_sha256="x", created_by=lena, expires_at=timezone.now())
    features = list(event.parents.values_list("pk", flat=True)) + list(event.children.values_list("pk", flat=True))
    events = list(run.events.values_list("pk", flat=True))
    one = {
        "patch": [run.patch_id], "frame_id": [run.patch.frames.first().pk], "run": [run.pk, rerun.pk], "event": events,
        "team": [1], "member": [bob.memberships.get().pk], "invitation": [invitation.pk], "thread": [thread.pk],
        "comment": [thread.pk, mine.pk], "export": list(run.exports.values_list("pk", flat=True)),
        "acquisition": [Acquisition.objects.create(team_id=1, harpnum=377).pk, previewed(run.patch)],
        "watch": [Watch.objects.create(team_id=1, kind=Watch.Kind.HARP, harpnum=377).pk],
        "sequence": [make_sequence(run.patch.team).pk], "ingest": list(run.patch.ingests.values_list("pk", flat=True)),
    }  # fmt: skip
    return {
        **{f"{name.removesuffix('_id')}_id": values for name, values in one.items()},
        "number": [1, 2],
        "name": ["catalogue.csv"],
        "key": ["dark1-mean"],
        "features": features,
        **{name: one[name] for name in ("patch", "run", "event")},
        "parent": [run.pk],
        "source": [run.pk, rerun.pk],
        "version": [0, event.standing.version],
        "who": ["me", "nobody", "alice"],
        "by": ["alice"],
    }


def previewed(patch: Patch) -> int:
    """Key of an acquisition of which all is told, and which may be ordered."""
    Team.objects.update(jsoc_email="observer@example.org")
    t_rec = "2011.02.15_00:00:00_TAI"
    preview = {
        "n_records": 2, "n_held": 1, "first": t_rec, "last": t_rec, "n_missing": 1, "gaps": [[t_rec, t_rec, 1]],
        "absent": {"Bp": 1}, "n_online": 2, "kept_until": "", "noaa_ars": "11158", "shape": [24, 32],
        "n_bad_quality": 0, "mu": [[t_rec, 0.5, 0.4, 0.6]],
    }  # fmt: skip
    made = Acquisition.objects.create(
        team=patch.team, harpnum=377, patch=patch, state=Acquisition.State.DONE, preview=preview, first_s=0, last_s=720
    )
    made.records.create(t_rec_s=0, is_held=True)
    made.records.create(t_rec_s=720, problem="gone", absent=["Bp"])
    made.exports.create(number=1, method="url", email="observer@example.org", record_set="…")
    made.log.create(text="…")
    moment = timezone.now()
    SolarEvent.objects.create(patch=patch, hek_key="x", kind="FL", start=moment, end=moment, finder="SWPC")
    return made.pk


@pytest.fixture
def open_connection() -> Iterator[None]:
    """Requests that come from outside of Django's test client leave the test's transaction alone."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def with_keys(schema: dict[str, Any], keys: dict[str, list[Any]]) -> dict[str, Any]:
    """The same with these values where their names stand, in addresses and bodies alike."""
    schema = copy.deepcopy(schema)
    for methods in schema["paths"].values():
        for told in methods.values():
            for parameter in told.get("parameters", ()):
                if values := keys.get(parameter["name"]):
                    parameter["schema"] = {"type": parameter["schema"]["type"], "enum": [*values, *_stranger(values)]}
    for name, shape in schema["components"]["schemas"].items():
        if name.endswith("In"):
            for field, told in shape["properties"].items():
                if told.get("type") == "integer" and field in keys:
                    shape["properties"][field] = {"type": "integer", "enum": [*keys[field], NOT_THERE]}
    correction = schema["components"]["schemas"]["CorrectionIn"]["properties"]
    for field in (correction["add"]["items"], correction["remove"]["items"], correction["spurious"]):
        field["items"] = {"type": "integer", "enum": keys["features"]}
    return schema


def _stranger(values: list[Any]) -> list[Any]:
    return [NOT_THERE] if isinstance(values[0], int) else ["nobody at all"]


def operations(schema: dict[str, Any]) -> Iterator[Any]:
    """Every operation, as schemathesis has it."""
    loaded = schemathesis.openapi.from_dict(schema, config=schemathesis.Config())
    loaded.app = application
    for found in loaded.get_all_operations():
        yield found.ok()


def try_out(operation: Any, mode: GenerationMode, token: str) -> set[int]:
    """Send requests to one operation, what each changes is taken back; the statuses that they were answered with."""
    statuses = set()

    headers = {"Authorization": f"Token {token}", "Accept-Encoding": "identity"}  # in-process nothing is unpacked

    @hypothesis_settings(
        max_examples=N_EXAMPLES, deadline=None, database=None, derandomize=IS_FIXED, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        with transaction.atomic():
            statuses.add(case.call_and_validate(headers=headers, checks=CHECKS).status_code)
            transaction.set_rollback(True)

    send()
    return statuses


def test_the_schema_is_valid_and_complete():
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


def test_every_operation_and_field_that_has_a_unit_says_so():
    for methods in described()["paths"].values():
        assert all(told["summary"].endswith(".") for told in methods.values())
    feature = described()["components"]["schemas"]["FeatureShape"]["properties"]
    assert feature["area_mm2"]["description"] == "In Mm²."
    assert feature["inclination_deg"]["description"].endswith("in degrees.")


@pytest.mark.parametrize("name", ["alice", "lena"])
def test_no_request_breaks_it_and_every_answer_is_as_described(open_connection, subtests, keys, name):
    _, token = AuthToken.objects.create(User.objects.get(username=name), timedelta(days=1))
    seen: dict[str, set[int]] = {}
    for operation in operations(with_keys(described(), keys)):
        seen[operation.label] = set()
        with subtests.test(operation.label):
            seen[operation.label] |= try_out(operation, GenerationMode.POSITIVE, token)
            if operation.query or operation.body or operation.path_parameters:
                seen[operation.label] |= try_out(operation, GenerationMode.NEGATIVE, token)
    assert len(seen) > 80
    answered = {label for label, statuses in seen.items() if statuses & {200, 201, 204}}
    assert len(answered) > 50
