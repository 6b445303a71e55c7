"""What the server takes for each page of a long series; the sign-in page is the baseline."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from poreweb.observations.models import Frame, Patch, RawFile
from poreweb.people.actions import add_member, make_demo_people
from poreweb.releases.jobs import publish
from poreweb.releases.models import Publication
from poreweb.review import actions
from poreweb.review.judgement import Judgement
from poreweb.tracks.models import Alternative, Event, Feature, Link, Run, Segmentation, Track
from processing.fits import SEGMENTS
from processing.parameters import ChainParameters
from processing.synthetic import SimulationParameters, simulate

N_FRAMES, N_PORES, N_EVENTS = 1200, 20, 500
FIRST_S = 646_000_560
PAGES = ["sign in", "home", "patch", "viewer", "run", "events", "queue", "desk", "lineage", "lineage data"]
LINK = {"cost": 0.1, "overlap": 0.9, "distance_mm": 0.2}
FEATURE = {
    "lon_deg": 250, "lat_deg": 10, "mu": 0.9, "area_px": 100, "area_mm2": 3.3, "area_msh": 1.1,
    "area_projected_mm2": 3, "intensity_mean": 0.4, "intensity_min": 0.3, "major_mm": 2, "minor_mm": 1,
    "orientation_deg": 0,
}  # fmt: skip


def make_large_run() -> Run:
    """Rows without files: pages that show images are timed by what the server says of them."""
    cards = next(iter(simulate(SimulationParameters()))).cards
    patch = Patch.objects.create(team=make_demo_people(), harpnum=99002)
    frames = Frame.objects.bulk_create(
        [
            Frame(patch=patch, t_rec_s=FIRST_S + 720 * k, ny=250, nx=583, mu_min=0.9, mu_max=0.99, cards=cards)
            for k in range(N_FRAMES)
        ],
        batch_size=100,
    )
    RawFile.objects.bulk_create(
        [
            RawFile(frame=frame, segment=segment, sha256=f"{frame.pk}{segment}", size=1, name="x")
            for frame in frames
            for segment in SEGMENTS
        ],
        batch_size=500,
    )
    run = Run.objects.create(
        patch=patch, number=1, parameters=ChainParameters().as_dict(), code_version="benchmark", state=Run.State.DONE
    )
    segmentations = Segmentation.objects.bulk_create(
        [
            Segmentation(run=run, frame=frame, index=k, state="done", n_features=N_PORES, seconds={"reduce": 0.1})
            for k, frame in enumerate(frames)
        ],
        batch_size=500,
    )
    tracks = Track.objects.bulk_create(
        Track(run=run, number=n + 1, lineage=1, first_index=0, last_index=N_FRAMES - 1, n_features=N_FRAMES)
        for n in range(N_PORES)
    )
    features = Feature.objects.bulk_create(
        [
            Feature(
                segmentation=item, track=track, label=n + 1, row=10 * n, col=20 * n, flux_mx=1e19 * (-1) ** n, **FEATURE
            )
            for item in segmentations
            for n, track in enumerate(tracks)
        ],
        batch_size=500,
    )
    Link.objects.bulk_create(
        [
            Link(run=run, earlier=features[k], later=features[k + N_PORES], probability=0.99, **LINK)
            for k in range(len(features) - N_PORES)
        ],
        batch_size=500,
    )
    Alternative.objects.bulk_create(
        [
            Alternative(run=run, earlier=features[k], later=features[k + N_PORES + 1], probability=0.1, **LINK)
            for k in range(0, len(features) - N_PORES - 1, 7)
        ],
        batch_size=500,
    )
    events = Event.objects.bulk_create(
        Event(
            run=run, kind=("merge", "split", "gap")[k % 3], index=2 * k + 3, probability=0.5 + k / 1010,
            doubt=0.5 - k / 1010, margin=1.0, mu=0.9, area_mm2=3.3, area_change=0.1, flux_change=0.1,
        )
        for k in range(N_EVENTS)
    )  # fmt: skip
    for event in events:
        event.parents.set(features[(event.index - 1) * N_PORES : (event.index - 1) * N_PORES + 2])
        event.children.set(features[event.index * N_PORES : event.index * N_PORES + 1])
    reviewers = [add_member(patch.team, User.objects.create(username=f"reviewer {n}")).user for n in range(3)]
    for k, event in enumerate(run.events.select_related("run__patch__team")[: N_EVENTS // 2]):
        actions.give_verdict(event, reviewers[k % 3], Judgement(("accept", "reject", "unsure")[k % 3]))
    Publication.objects.filter(run=run).update(state="waiting")
    publish(Publication.objects.get(run=run).pk)
    return run


@pytest.fixture(scope="module")
def address(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Callable[[str], str]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        run = make_large_run()
        event = run.events.all()[N_EVENTS // 2]
    patch, of_run = run.patch.get_absolute_url(), run.get_absolute_url()
    return {
        "sign in": "/accounts/login/", "home": "/", "patch": patch, "viewer": f"{patch}viewer/?run={run.pk}",
        "run": of_run, "events": f"{of_run}events/", "queue": "/queue/", "desk": event.get_absolute_url(),
        "lineage": f"{of_run}lineage/", "lineage data": f"{of_run}lineage.json",
    }.__getitem__  # fmt: skip


@pytest.mark.django_db
@pytest.mark.benchmark(group="pages of 1,200 frames and 24,000 features")
@pytest.mark.parametrize("page", PAGES)
def test_page(benchmark, address, page):
    client = Client()
    if page != "sign in":
        client.force_login(User.objects.get(username="demo"))
    response = benchmark.pedantic(client.get, (address(page),), rounds=5, warmup_rounds=1)
    assert response.status_code == 200
