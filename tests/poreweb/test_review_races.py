"""People who act at the same time: each in turn, nothing lost, and everything weighed as the rules are then."""

import random
import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from django.db import connections

from poreweb.people.actions import set_rules
from poreweb.people.models import Team
from poreweb.releases.models import Publication
from poreweb.review import steps
from poreweb.review.actions import StaleError, give_verdict, give_verdicts, settle, settle_anew
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, ReviewEntry, Standing, Verdict
from poreweb.tracks.models import Event
from poreweb.work import tasks

ACCEPT, REJECT, UNSURE = (Judgement(choice) for choice in ("accept", "reject", "unsure"))


@pytest.fixture
def at_once(transactional_db):
    """Do these in threads of their own, with connections of their own; what went wrong in any."""

    def done(*works):
        problems = []

        def alone(work):
            try:
                work()
            except Exception as problem:
                problems.append(problem)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=alone, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads)
        return problems

    return done


def test_two_undos_at_once_take_back_two_acts(at_once, run, event, alice, monkeypatch):
    for judged in (ACCEPT, REJECT):
        give_verdict(event, alice, judged)
    actual = steps.next_undo

    def slow_next_undo(*asked):
        found = actual(*asked)
        time.sleep(0.3)  # the other one asks meanwhile, unless it has to wait
        return found

    monkeypatch.setattr(steps, "next_undo", slow_next_undo)
    assert at_once(*[partial(steps.undo, run, alice)] * 2) == []
    assert not Verdict.objects.exists()
    undone = Act.objects.filter(kind=Act.Kind.UNDO).values_list("of", flat=True)
    assert len(set(undone)) == 2
    assert Standing.objects.get().state == "pending"


def test_a_verdict_is_weighed_by_the_rules_that_hold_when_its_turn_comes(event, team, alice, lena):
    set_rules(team, lena, quorum=2, is_blind=False)
    as_read = Event.objects.select_related("run__patch__team").get(pk=event.pk)
    set_rules(team, lena, quorum=1, is_blind=False)
    give_verdict(as_read, alice, ACCEPT)
    assert Standing.objects.get().state == "accepted"


def test_whoever_acts_at_the_same_time_loses_nothing(at_once, run, team, alice, bob, lena):
    """Two reviewers, one of them at two desks, a lead, and rules that change: a deadlock would be a problem too."""
    end = time.monotonic() + 3

    def act(seed, user):
        chance, events = random.Random(seed), list(run.events.select_related("run__patch__team")[:5])
        while time.monotonic() < end:
            event, judged = chance.choice(events), chance.choice((ACCEPT, REJECT, UNSURE))
            acts = [
                partial(give_verdict, event, user, judged, version=0),
                partial(give_verdict, event, user, judged, anyway=True),
                partial(give_verdicts, chance.sample(events, 3), user, judged),
                partial(steps.undo, run, user),
                partial(steps.undo, run, user, anyway=True),
                partial(steps.redo, run, user, anyway=True),
                partial(settle, event, user, judged, anyway=True),
            ]
            with suppress(StaleError, steps.ClashError):  # told, and nothing done
                chance.choice(acts if user == lena else acts[:-1])()

    def change_rules():
        while time.monotonic() < end:
            for quorum in (1, 2):
                set_rules(team, lena, quorum=quorum, is_blind=False)
                time.sleep(0.02)

    people = [alice, alice, bob, lena]
    assert at_once(change_rules, *(partial(act, *pair) for pair in enumerate(people))) == []
    last = {}
    for entry in ReviewEntry.objects.filter(what=ReviewEntry.What.VERDICT).select_related("act"):
        key = entry.event_id, entry.act.by_id
        assert entry.before == last.get(key)
        last[key] = entry.after
    held = {(verdict.event_id, verdict.reviewer_id): Judgement.of(verdict) for verdict in Verdict.objects.all()}
    assert held == {key: Judgement.from_dict(after) for key, after in last.items() if after}
    for standing in Standing.objects.all():
        assert standing.n_verdicts == sum(event == standing.event_id for event, _ in held)
    assert settle_anew(Team.objects.get(pk=team.pk), lena) == 0
    for user in (alice, bob, lena):
        _steps_are_in_order(run, user)


def _steps_are_in_order(run, user):
    """Each undo is of the newest act that stood then, each redo of the last that was taken back."""
    stands, undone = [], []
    for act in Act.objects.filter(run=run, by=user):
        if act.kind == Act.Kind.UNDO:
            assert act.of_id == stands[-1]
            undone.append(stands.pop())
        elif act.kind == Act.Kind.REDO:
            assert act.of_id == undone[-1]
            stands.append(undone.pop())
        elif act.kind in Act.STEPS:
            stands, undone = [*stands, act.pk], []
    newest = steps.next_undo(run, user)
    assert (newest and newest.pk) == (stands[-1] if stands else None)


def test_what_is_settled_as_the_building_ends_is_built_next(run, event, alice, queues, monkeypatch):
    """Its file is taken, its task still open: nobody else would queue it again."""
    actual, gaps = tasks.finish, list(run.events.filter(kind="gap")[:1])

    def finish(*told):
        while gaps:
            give_verdict(gaps.pop(), alice, REJECT)
        actual(*told)

    monkeypatch.setattr(tasks, "finish", finish)
    give_verdict(event, alice, REJECT)
    queues.work()
    publication = Publication.objects.get()
    assert (publication.state, publication.wanted, publication.built) == ("done", 2, 2)
    assert publication.summary["n_settled"] == 2
