"""What people had said before teams settled is still said after it."""

import datetime as dt

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("people", "0001_initial"), ("tracks", "0006_frames_added_later"), ("review", "0001_initial")]
AT = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def migrate(transactional_db):
    def to(targets):
        executor = MigrationExecutor(connection)
        executor.migrate(targets)
        return MigrationExecutor(connection).loader.project_state(targets).apps

    yield to
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_history_and_verdicts_are_told_as_acts_standings_and_settlements(migrate):
    old = migrate(BEFORE)

    def make(app: str, model: str, **values):
        return old.get_model(app, model).objects.create(**values)

    users = [make("auth", "User", username=name) for name in ("alice", "bob")]
    patch = make("observations", "Patch", team=make("people", "Team", name="A"), harpnum=1)
    frame = make("observations", "Frame", patch=patch, t_rec_s=0, ny=1, nx=1, cards={})
    run = make("tracks", "Run", patch=patch, number=1, code_version="x")
    item = make("tracks", "Segmentation", run=run, frame=frame, index=0)
    numbers = {"row": 1, "col": 1, "lon_deg": 0, "lat_deg": 0, "area_px": 9, "area_msh": 1, "area_projected_mm2": 1,
               "intensity_mean": 0.4, "intensity_min": 0.3, "major_mm": 1, "minor_mm": 1,
               "orientation_deg": 0}  # fmt: skip
    before = [
        make("tracks", "Feature", segmentation=item, label=k, mu=0.5, area_mm2=2, flux_mx=k, **numbers) for k in (1, 2)
    ]
    after = make("tracks", "Feature", segmentation=item, label=3, mu=0.8, area_mm2=5, flux_mx=3, **numbers)
    events = [make("tracks", "Event", run=run, kind="merge", index=k, probability=0.8) for k in range(3)]
    events[0].parents.set(before)
    events[0].children.set([after])
    # alice accepts the first, takes it back, rejects it; the two differ on the second; bob is unsure of the third
    said = [(0, 0, "", "accept", None), (0, 0, "accept", "", 0), (0, 0, "", "reject", None), (1, 0, "", "accept", None),
            (1, 1, "", "reject", None), (2, 1, "", "unsure", None)]  # fmt: skip
    entries = []
    for event, user, was, then, undoes in said:
        undone = entries[undoes] if undoes is not None else None
        values = {
            "reviewer": users[user],
            "at": AT,
            "before": was,
            "after": then,
            "note": f"n{len(entries)}",
            "undoes": undone,
        }
        entries.append(make("review", "ReviewEntry", event=events[event], **values))
    for event, user, choice in ((0, 0, "reject"), (1, 0, "accept"), (1, 1, "reject"), (2, 1, "unsure")):
        make("review", "Verdict", event=events[event], reviewer=users[user], choice=choice, given_at=AT)

    new = migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    get = new.get_model
    acts = list(get("review", "Act").objects.order_by("pk").values_list("kind", "by__username", "is_undone"))
    assert acts == [("verdict", "alice", True), ("undo", "alice", False), ("verdict", "alice", False),
                    ("verdict", "alice", False), ("verdict", "bob", False), ("verdict", "bob", False)]  # fmt: skip
    first, second, *_ = get("review", "ReviewEntry").objects.order_by("pk")
    assert (first.before, first.after["choice"], first.after["note"]) == (None, "accept", "n0")
    assert (second.before["choice"], second.after, second.act.of) == ("accept", None, first.act)
    assert (first.state_after, second.state_after) == ("accepted", "pending")
    states = list(get("review", "Standing").objects.order_by("event").values_list("state", "n_verdicts"))
    assert states == [("rejected", 1), ("disputed", 2), ("unsure", 1)]
    (settled,) = get("review", "Settlement").objects.all()
    assert (settled.event_id, settled.choice, settled.by) == (events[0].pk, "reject", None)

    event = get("tracks", "Event").objects.get(pk=events[0].pk)
    assert (event.mu, event.area_mm2, event.area_change) == (0.5, 5, 0.25)
    assert event.flux_change == 0
    assert event.doubt == pytest.approx(1 / 3)  # odds of 1 to 4, twice as much at mu 0.5
    assert get("tracks", "Event").objects.get(pk=events[1].pk).mu is None
