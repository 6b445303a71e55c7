"""The page of a run's tracks: its numbers against those of the rows, order, filters, pages, and what is published."""

import re
from html import unescape
from itertools import pairwise, product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from poreweb.releases.lineage import published_of
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.tracks import views
from poreweb.tracks.listing import COLUMNS, Asked, rows_of
from poreweb.tracks.models import Event, Feature, Segmentation, Track
from tests.simulated_run import make_run

COLUMN_OF = {name: place for place, name in enumerate(COLUMNS)}


def address(run):
    return reverse("tracks:tracks", args=[run.pk])


@pytest.fixture
def url(run):
    return address(run)


@pytest.fixture
def many(team, storage_folder):
    """A run with tens of tracks that merge, part, appear and go."""
    return make_run(team, n_frames=10, shape=(80, 110), seed=3)


def cells(page: str) -> list[list[str]]:
    """The words of each cell of each row."""
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL) or [""]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]*>", "", cell.replace("<br>", " "))).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def numbers(page: str) -> list[int]:
    return [int(row[0].removeprefix("Track ")) for row in cells(page)]


def known(run) -> dict[int, dict]:
    """What is to be said of each track, from all its features, one by one in Python."""
    told = {}
    for track in run.tracks.all():
        features = list(track.features.order_by("segmentation__index").select_related("segmentation__frame"))
        first, last = features[0], features[-1]
        largest = max(features, key=lambda feature: feature.area_mm2)
        begins = set(first.starting_events.values_list("kind", flat=True))
        ends = set(last.ending_events.values_list("kind", flat=True))
        told[track.number] = {
            "first": first.segmentation.index,
            "first_t_rec": first.segmentation.frame.t_rec,
            "last": last.segmentation.index,
            "last_t_rec": last.segmentation.frame.t_rec,
            "frames": len(features),
            "lifetime": (last.segmentation.frame.t_rec_s - first.segmentation.frame.t_rec_s) / 3600,
            "area": largest.area_mm2,
            "msh": largest.area_msh,
            "lon": largest.lon_deg,
            "lat": largest.lat_deg,
            "flux": max((feature.flux_mx for feature in features), key=abs),
            "begins": begins,
            "ends": ends,
        }
    return told


def test_each_row_says_what_the_features_say(as_alice, many):
    run, url = many, address(many)
    told, rows = known(run), cells(as_alice.get(url).text)
    assert [int(row[0].removeprefix("Track ")) for row in rows] == sorted(told)
    assert len(rows) > 5
    assert {kind for track in told.values() for kind in (*track["begins"], *track["ends"])} >= {"merge"}
    for row in rows:
        track = told[int(row[0].removeprefix("Track "))]
        assert row[1:9] == [
            f"{track['first'] + 1} {track['first_t_rec']}",
            f"{track['last'] + 1} {track['last_t_rec']}",
            str(track["frames"]),
            f"{track['lifetime']:.2f}",
            f"{track['area']:.1f} {track['msh']:.2f} MSH",
            f"{track['lon']:.2f}",
            f"{track['lat']:.2f}".replace("-", "−"),
            f"{track['flux'] / 1e20:.2f}".replace("-", "−"),
        ]
        for cell, side in ((row[9], "begins"), (row[10], "ends")):
            if track[side]:
                assert set(cell.replace("appearance", "appear").split()) == track[side]
            else:
                assert cell == {"begins": "seen from the first frame on", "ends": "seen to the last frame"}[side]


def test_a_track_is_the_one_of_its_own_page(as_alice, run, url):
    page = as_alice.get(url).text
    for track in run.tracks.all():
        own = reverse("review:track", args=[run.pk, track.number])
        assert f'href="{own}">Track {track.number}</a>' in page
    own = unescape(as_alice.get(own).text)
    row = next(row for row in cells(page) if row[0] == f"Track {track.number}")
    assert f"<dd>{row[1].split()[0]} to {row[2].split()[0]}, seen in {row[3]}</dd>" in own
    assert f"<dd><time>{row[1].split()[1]}</time></dd>" in own
    assert f'<a href="{url}">Tracks</a>' in own


def test_a_gap_counts_to_the_lifetime_but_not_to_the_frames(as_alice, run, url):
    gap = run.events.filter(kind="gap").first()
    track = gap.parents.get().track
    assert track == gap.children.get().track
    assert track.n_features < track.last_index - track.first_index + 1
    row = next(row for row in cells(as_alice.get(url).text) if row[0] == f"Track {track.number}")
    assert (row[3], row[4]) == (str(track.n_features), f"{(track.last_index - track.first_index) * 0.2:.2f}")


SORTED = [name for name in COLUMNS if name not in ("number", "begins", "ends")]


def test_it_is_in_the_order_that_the_address_asks_for(as_alice, many):
    url, told = address(many), known(many)
    for name, sign in product(SORTED, ("", "-")):
        order = {}
        for number, track in told.items():
            value = abs(track[name]) if name == "flux" else track[name]
            order[number] = (-value if sign else value, number)
        page = as_alice.get(f"{url}?order={sign}{name}").text
        assert numbers(page) == sorted(told, key=order.__getitem__), name
        (heads,) = re.findall(r"<thead>(.*?)</thead>", page, re.DOTALL)
        assert re.findall(r'aria-sort="(\w+)"', heads) == ["descending" if sign else "ascending"]
        assert f'<option value="{sign}{name}" selected>' in page
        assert f'href="?order={"" if sign else "-"}{name}"' in heads  # once more, the other way round
    for side in ("begins", "ends"):
        kinds = [told[number][side] for number in numbers(as_alice.get(f"{url}?order={side}").text)]
        found = [kind for kind in kinds if kind]
        assert kinds[: len(found)] == found  # those without an event come last
        assert len({min(kind) for kind in found}) > 1
        assert all(min(before) <= max(after) for before, after in pairwise(found))


def test_without_an_order_or_with_none_there_is_it_is_by_number(as_alice, run, url):
    wanted = sorted(run.tracks.values_list("number", flat=True))
    assert numbers(as_alice.get(url).text) == wanted
    assert numbers(as_alice.get(f"{url}?order=-number").text) == wanted[::-1]
    for nonsense in ("order=--area", "order=password", "order=", "hours_from=nan", "area_from=-3", "area_from=x",
                     "hours_from=inf", "page=x"):  # fmt: skip
        assert numbers(as_alice.get(f"{url}?{nonsense}").text) == wanted


def test_short_and_small_ones_are_left_out_at_wish(as_alice, many):
    run, url = many, address(many)
    told = known(run)
    hours = sorted(track["lifetime"] for track in told.values())[3 * len(told) // 4]
    area = sorted(track["area"] for track in told.values())[len(told) // 2]
    long = {number for number, track in told.items() if track["lifetime"] >= hours - 1e-6}
    large = {number for number, track in told.items() if track["area"] >= area}
    assert set(numbers(as_alice.get(f"{url}?hours_from={hours:.2f}").text)) == long != set(told)
    assert set(numbers(as_alice.get(f"{url}?area_from={area!r}").text)) == large != set(told)
    page = as_alice.get(f"{url}?hours_from={hours:.2f}&area_from={area!r}&order=-area").text
    assert set(numbers(page)) == long & large
    assert f"{len(long & large)} of {len(told)} tracks" in page
    assert f'href="?order=-lifetime&amp;hours_from={hours:g}&amp;area_from=' in page  # another order keeps them
    assert "Show all" in page
    page = as_alice.get(f"{url}?hours_from=1000").text
    assert cells(page) == []
    assert "No track lives so long and grows so large." in page


def test_pages_go_on_where_the_last_one_ended(as_alice, many, monkeypatch):
    run, url = many, address(many)
    monkeypatch.setattr(views, "TRACKS_PER_PAGE", 3)
    asked, found = f"{url}?order=-area&area_from=0.1", []
    while asked:
        page = as_alice.get(asked).text
        found.append(numbers(page))
        following = re.findall(r'href="([^"]*)">Next page', page)
        asked = f"{url}{unescape(following[0])}" if following else ""
    told = known(run)
    by_area = sorted(told, key=lambda number: (-told[number]["area"], number))
    assert [number for listed in found for number in listed] == by_area
    assert all(len(listed) == 3 for listed in found[:-1])
    assert len(found) > 1


def test_one_at_the_edge_or_beside_missing_frames_says_so(as_alice, many):
    run, url = many, address(many)
    track = run.tracks.filter(first_index__gt=0, last_index__lt=9, n_features__gt=1).first()
    at_ends = (track.features.order_by("segmentation__index")[0], track.features.order_by("-segmentation__index")[0])
    Event.objects.filter(children=at_ends[0]).delete()
    Event.objects.filter(parents=at_ends[1]).delete()

    def ends():
        row = next(row for row in cells(as_alice.get(url).text) if row[0] == f"Track {track.number}")
        return row[9:11]

    Feature.objects.filter(track=track).update(flags=0)
    assert ends() == ["after missing frames", "before missing frames"]
    Feature.objects.filter(track=track).update(flags=1)
    assert at_ends[0].on_edge or Feature.objects.get(pk=at_ends[0].pk).on_edge
    assert ends() == ["at the edge", "at the edge"]


def test_what_is_not_known_is_not_a_nought(as_alice, run, url):
    Feature.objects.update(lon_deg=None, lat_deg=None, flux_mx=None, mu=None)
    for query in ("", "?order=-flux", "?order=lon"):
        for row in cells(as_alice.get(url + query).text):
            assert row[6:9] == ["not known", "not known", "Br missing"]


def test_the_state_of_an_event_stands_beside_it(as_alice, run, event, lena, url):
    parent = event.parents.first().track
    settle(event, lena, Judgement("reject"))
    row = next(row for row in cells(as_alice.get(url).text) if row[0] == f"Track {parent.number}")
    assert row[10] == "merge rejected"


def test_blind_reviewers_are_not_told_what_others_said(sign_in, run, event, alice, lena, url):
    team = run.patch.team
    team.is_blind, team.quorum = True, 2
    team.save()
    for reviewer, choice in ((alice, "accept"), (lena, "reject")):
        give_verdict(event, reviewer, Judgement(choice))
    assert "merge disputed" in [cell for row in cells(sign_in("alice").get(url).text) for cell in row]
    assert "disputed" not in sign_in("bob").get(url).text


def test_once_something_is_settled_the_published_numbers_stand_there(as_alice, run, event, lena, queues, url):
    assert "Published as" not in as_alice.get(url).text
    parents = list(event.parents.select_related("track"))
    child = event.children.get().track
    # the machine's merger is one track that goes on, and one that ends: the chart says which
    settle(event, lena, Judgement("reject"))
    queues.work(times=2)
    page = as_alice.get(url).text
    shown = {int(row[0].removeprefix("Track ")): row[11] for row in cells(page)}
    published = published_of(run)
    for track in run.tracks.all():
        keys = track.features.values_list("pk", flat=True)
        of = sorted({published.track_of[key] for key in keys if key in published.track_of})
        assert shown[track.number] == (", ".join(map(str, of)) or "no pore")
    assert any(shown[number] != str(number) for number in (child.number, *(parent.track.number for parent in parents)))


def test_a_track_that_is_no_pore_says_so(as_alice, run, lena, queues, url):
    track = run.tracks.filter(first_index__gt=0).first()
    event = Event.objects.filter(children__track=track).first()
    spurious = list(track.features.values_list("pk", flat=True))
    correction = {"add": [], "remove": [], "spurious": spurious}
    settle(event, lena, Judgement("correct", "no pore", "", correction))
    queues.work(times=2)
    row = next(row for row in cells(as_alice.get(url).text) if row[0] == f"Track {track.number}")
    assert row[11] == "no pore"


def test_it_is_linked_from_where_tracks_are_spoken_of(as_alice, run, event, url):
    n = run.tracks.count()
    assert f'href="{url}">{n} tracks</a>' in as_alice.get(run.get_absolute_url()).text
    patch = as_alice.get(run.patch.get_absolute_url()).text
    assert f'href="{url}">Tracks</a>' in patch
    assert f'href="{url}" aria-label="{n} tracks of run 1">{n}</a>' in patch
    assert f'href="{url}">All tracks of the run</a>' in as_alice.get(event.get_absolute_url()).text
    events = as_alice.get(reverse("review:events", args=[run.pk])).text
    for feature in (*event.parents.all(), *event.children.all()):
        assert f'href="{reverse("review:track", args=[run.pk, feature.track.number])}"' in events


def test_a_run_without_tracks_says_why(as_alice, patch, start):
    run = start()
    assert "has no tracks yet" in as_alice.get(reverse("tracks:tracks", args=[run.pk])).text
    run.state = "done"
    run.save()
    assert "No pore was found in this run" in as_alice.get(reverse("tracks:tracks", args=[run.pk])).text


def more_tracks(run, n: int) -> None:
    """So many tracks more, each of one pore in the last frame, where it appears."""
    last = Segmentation.objects.filter(run=run).last()
    pore = Feature.objects.filter(segmentation=last).first()
    for k in range(n):
        track = Track.objects.create(
            run=run, number=100 + k, lineage=100 + k, first_index=last.index, last_index=last.index, n_features=1
        )
        pore.pk, pore.label, pore.track = None, 100 + k, track
        pore.save()
        Event.objects.create(run=run, kind="appear", index=last.index).children.add(pore)


@pytest.mark.parametrize("query", ["", "?order=-area&area_from=0.1&hours_from=0", "?order=begins"])
def test_more_tracks_cost_no_more_queries(as_alice, run, url, query):
    def n_queries():
        with CaptureQueriesContext(connection) as queries:
            assert as_alice.get(url + query).status_code == 200
        return len(queries)

    n_queries()
    before = n_queries()
    more_tracks(run, 40)
    assert n_queries() == before
    assert before < 20
    assert len(cells(as_alice.get(url + query).text)) == run.tracks.count()


def test_a_page_reads_the_rows_of_its_own_tracks_alone(run, alice):
    keys = list(Asked(order="-area").keys(run))[:2]
    rows = rows_of(run, keys, alice, published=None)
    assert [row.track.pk for row in rows] == keys
    assert rows[0].largest.area_mm2 >= rows[1].largest.area_mm2
