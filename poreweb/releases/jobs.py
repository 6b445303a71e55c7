"""Background steps. Each takes a primary key and may safely run twice."""

import gzip
import json

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from poreweb import storage
from poreweb.releases import actions
from poreweb.releases.chart import chart_of
from poreweb.releases.files import make_files
from poreweb.releases.models import Publication, Release
from poreweb.work.tasks import PutOffError, perform


def publish(publication_id: int, attempt: int | None = None) -> None:
    """
    Build the published lineage of a run as it stands now; again, when more was settled meanwhile.

    Not at every settlement while people judge fast: that would keep a worker busy all the time.
    """
    perform(Publication, publication_id, _publish, attempt)


def _publish(publication: Publication) -> None:
    if publication.built_at:
        rest_s = settings.LINEAGE_PAUSE_S - (timezone.now() - publication.built_at).total_seconds()
        if rest_s > 0:
            raise PutOffError(rest_s)
    # read before what is settled is: what comes later is wanted anew
    wanted, begun_at, before = publication.wanted, timezone.now(), publication.path
    chart, summary = chart_of(publication.run)
    key = f"lineages/{publication.run_id}/{wanted}-{publication.attempts}.json.gz"
    data = json.dumps(chart, separators=(",", ":")).encode()
    storage.write_bytes(key, gzip.compress(data, compresslevel=6, mtime=0))
    try:
        actions.store_publication(publication, wanted=wanted, begun_at=begun_at, path=key, summary=summary)
    finally:
        # either the file before or, when this attempt has lost its task, the new one is nobody's
        held = Publication.objects.values_list("path", flat=True).get(pk=publication.pk)
        for path in {before, key} - {held, ""}:
            storage.remove(path)


def freeze(release_id: int, attempt: int | None = None) -> None:
    """Make the files of a release, once."""
    perform(Release, release_id, _freeze, attempt)


def _freeze(release: Release) -> None:
    if release.files:
        return
    with transaction.atomic():
        actions.must_be_as_it_was(release)
    folder = f"releases/{release.pk}/{release.attempts}"  # of this attempt alone
    files, summary = make_files(release, folder)
    actions.store_files(release, files, summary)
