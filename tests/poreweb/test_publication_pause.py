"""The published lineage is built at once after a quiet time, and not at every settlement while people judge fast."""

from datetime import timedelta

import pytest
from django.utils import timezone

from poreweb.releases.models import Publication
from poreweb.review.actions import give_verdict
from poreweb.review.judgement import Judgement
from poreweb.work.tasks import dispatch_due

REJECT = Judgement("reject")


@pytest.fixture
def publication(run, event, alice, queues, settings) -> Publication:
    """Built a moment ago, and wanted anew since."""
    settings.LINEAGE_PAUSE_S = 60
    give_verdict(event, alice, REJECT)
    queues.work()
    built = Publication.objects.get()
    assert (built.state, built.wanted, built.built) == ("done", 1, 1)  # the first at once
    give_verdict(run.events.filter(kind="gap").first(), alice, REJECT)
    queues.work()
    return Publication.objects.get()


def test_the_next_one_waits_and_what_comes_meanwhile_goes_in_with_it(publication, run, alice, queues):
    assert (publication.state, publication.wanted, publication.built) == ("waiting", 2, 1)
    assert timedelta(0) < publication.not_before - publication.built_at <= timedelta(seconds=60.5)
    give_verdict(run.events.filter(kind="gap").last(), alice, REJECT)
    assert not queues.commit().jobs  # no job only to be put off
    later = timezone.now() - timedelta(seconds=61)
    Publication.objects.update(not_before=later, built_at=later)
    dispatch_due(Publication)
    queues.work()
    publication.refresh_from_db()
    assert (publication.state, publication.wanted, publication.built) == ("done", 3, 3)
    assert publication.summary["n_settled"] == 3


def test_before_its_time_nobody_dispatches_it(publication, queues):
    dispatch_due(Publication)
    assert not queues.commit().jobs
