"""Solar events of a patch: the search at HEK, what is kept of it, how it is shown."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.error import URLError

import pytest
from django.db import IntegrityError, transaction

from poreweb.acquire.models import HarpNoaa
from poreweb.context import actions, jobs, queries
from poreweb.context.models import EventSearch, SolarEvent
from poreweb.observations.charts import light_curve_rows, timeline_figure
from poreweb.work.tasks import dispatch_due
from processing.locator import disk_place
from processing.timekeys import utc_of

HEK = "ivo://helio-informatics.org/"


def row_of(key: str, at: datetime, **changes) -> dict:
    """A row with some of HEK's hundred columns, empty as HEK has them where nothing is to say."""
    start, peak, end = (at + timedelta(minutes=minutes) for minutes in (-4, 0, 7))
    row = {
        "event_type": "FL", "kb_archivid": HEK + key, "frm_name": "SWPC", "event_starttime": start,
        "event_peaktime": peak, "event_endtime": end, "fl_goescls": "M1.4", "ar_noaanum": None, "hgs_x": 0.0,
        "hgs_y": 0.0, "hpc_x": 0.0, "hpc_y": 0.0, "area_atdiskcenter": None, "area_unit": "",
        "event_coordsys": "UTC-HGS-TOPO", "event_coordunit": "degrees", "event_coord1": 0.0, "event_coord2": 0.0,
        "event_coord3": None, "refs": [],
    }  # fmt: skip
    row |= changes
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


class Hek:
    """HEK in the place of the network: its rows, what it was asked, and what is wrong with it."""

    def __init__(self) -> None:
        self.rows: list[dict] = []
        self.asked: list[str] = []
        self.body: bytes | None = None
        self.trouble: Exception | None = None

    def answer(self, url: str):
        self.asked.append(url)
        if self.trouble:
            raise self.trouble
        page = int(re.search(r"[?&]page=(\d+)", url)[1])
        shown = self.rows[2 * (page - 1) : 2 * page]  # two on a page
        body = self.body or json.dumps({"result": shown, "overmax": 2 * page < len(self.rows)}).encode()
        return type("Answer", (), {"read": lambda _: body, "close": lambda _: None})()


@pytest.fixture
def hek(monkeypatch, settings) -> Hek:
    stand_in = Hek()
    settings.EVENT_SEARCH = True
    monkeypatch.setattr("urllib.request.urlopen", stand_in.answer)
    return stand_in


@pytest.fixture
def here(patch) -> tuple[float, float, datetime]:
    """Stonyhurst place and UTC of the patch at its fifth frame."""
    frame = patch.frames.all()[4]
    place = disk_place(frame.geometry, (frame.ny, frame.nx))
    return place.lon_deg, place.lat_deg, utc_of(frame.t_rec_s).replace(microsecond=0)


@pytest.fixture
def listed(hek, here) -> Hek:
    """A flare of the patch twice, one elsewhere, emerging flux and a sunspot in it."""
    lon, lat, at = here
    hek.rows = [
        row_of("FL_SWPC_1", at),
        row_of("FL_SSW_1", at, frm_name="SSW Latest Events", hgs_x=lon, hgs_y=lat, hpc_x=170.0, hpc_y=150.0),
        row_of("FL_SWPC_2", at + timedelta(hours=1), hgs_x=lon - 60, hgs_y=lat, fl_goescls="X1.0"),
        row_of("EF_1", at, event_type="EF", frm_name="Emerging flux region module", hgs_x=lon + 1, hgs_y=lat,
               fl_goescls=None, event_peaktime=""),
        row_of("SS_1", at, event_type="SS", frm_name="EGSO_SFC", hgs_x=lon, hgs_y=lat - 1, fl_goescls=None,
               event_peaktime=None, area_atdiskcenter=3.0437e8, area_unit="km2"),
    ]  # fmt: skip
    return hek


def searched(patch, queues) -> EventSearch:
    actions.search_if_grown(patch)
    queues.work()
    return EventSearch.objects.get()


# -- The search --------------------------------------------------------------------------------------


def test_a_delivery_starts_a_search(deliver, fits_files, hek, queues):
    deliver(*fits_files[:5])
    search = EventSearch.objects.get()
    assert (search.state, search.error, search.patch.harpnum) == ("done", "", 99001)
    assert len(hek.asked) == 1  # one frame and half a day before and after it
    asked = hek.asked[0]
    assert "event_type=fl%2Cef%2Css" in asked
    assert "event_starttime=2013-06-18T11%3A59%3A25&event_endtime=2013-06-19T11%3A59%3A25" in asked


@pytest.mark.parametrize("switched_on", [True, False])
def test_without_the_setting_nobody_is_asked(patch, hek, queues, settings, switched_on, as_alice):
    settings.EVENT_SEARCH = switched_on
    page = as_alice.get(patch.get_absolute_url()).text
    assert ("Look for events at HEK" in page) == switched_on
    assert ("switched off on this site" in page) == (not switched_on)
    actions.search_if_grown(patch)
    actions.look_again(patch)
    queues.work()
    assert bool(hek.asked) == switched_on


def test_events_in_the_patchs_time_and_place_are_kept(patch, listed, queues, here):
    search = searched(patch, queues)
    assert (search.state, search.n_listed) == ("done", 5)
    flare, flux, spot = sorted(SolarEvent.objects.all(), key=lambda event: ["FL", "EF", "SS"].index(event.kind))
    assert (flare.hek_key, flare.goes_class, flare.finder) == (f"{HEK}FL_SWPC_1", "M1.4", "SWPC")
    assert flare.others == ["SSW Latest Events"]
    assert (flare.lon_deg, flare.tx, flare.peak) == (here[0], 170.0, here[2].replace(tzinfo=UTC))
    assert (flux.hek_key, flux.peak) == (f"{HEK}EF_1", None)
    assert spot.area_msh == pytest.approx(100, rel=1e-3)


def test_what_a_row_says_fits_its_columns(patch, hek, queues, here):
    """SQLite takes texts of any length, and PostgreSQL none with a NUL."""
    lon, lat, at = here
    told = {"hgs_x": lon, "hgs_y": lat, "fl_goescls": "M1.234567890123", "ar_noaanum": 10**10}
    hek.rows = [
        row_of(f"FL_{n}" + 500 * "k", at, frm_name=f"{n}\0" + 500 * "n", event_type=kind, **told)
        for n, kind in enumerate(("FL", "FL", "SS"))
    ]
    assert searched(patch, queues).state == "done"
    flare, spot = SolarEvent.objects.order_by("kind")
    for event in (flare, spot):
        event.clean_fields(exclude=["peak", "noaa_ar", "area_msh", "others"])
    assert (len(flare.hek_key), flare.goes_class, flare.noaa_ar) == (300, "", None)
    assert [len(finder) for finder in (flare.finder, *flare.others)] == [200, 200]
    assert "\0" not in flare.finder + flare.others[0]


def test_a_search_may_be_done_twice_and_finds_the_same(patch, listed, queues):
    actions.search_if_grown(patch)
    queues.work(times=2)
    assert SolarEvent.objects.count() == 3
    listed.rows.pop()
    actions.look_again(patch)
    queues.work()
    assert {event.kind for event in SolarEvent.objects.all()} == {"FL", "EF"}
    with pytest.raises(IntegrityError), transaction.atomic():
        SolarEvent.objects.create(**{**SolarEvent.objects.values().first(), "id": None})


def test_a_worker_that_lost_its_search_stores_nothing(patch, listed, queues, monkeypatch):
    actions.search_if_grown(patch)
    queues.commit()

    def cancelled(*_, **__):
        EventSearch.objects.update(state="cancelled")
        return []

    monkeypatch.setattr(jobs, "events_at", cancelled)
    queues.work()
    assert EventSearch.objects.get().searched_at is None


def test_a_search_that_was_stopped_asks_no_further(patch, hek, queues, monkeypatch):
    last = patch.frames.last()
    patch.frames.create(
        t_rec_s=last.t_rec_s + 8 * 86400, ny=64, nx=64, mu_min=0.9, mu_max=0.9, cards=last.cards
    )  # fmt: skip

    def stopped(url):
        EventSearch.objects.update(state="cancelled")
        return hek.answer(url)

    monkeypatch.setattr("urllib.request.urlopen", stopped)
    assert searched(patch, queues).state == "cancelled"
    assert len(hek.asked) == 1  # of five pieces of two days


def test_frames_without_a_place_are_not_searched_for(patch, hek):
    first, *_, last = patch.frames.order_by("t_rec_s")
    patch.frames.filter(pk=last.pk).update(mu_max=None)
    span = queries.placed_span(patch)
    assert span[0] == first.t_rec_s
    assert span[1] < last.t_rec_s
    patch.frames.update(mu_max=None)
    assert actions.search_if_grown(patch) is None
    assert actions.look_again(patch) is None
    assert not EventSearch.objects.exists()


def test_a_patch_is_searched_for_again_when_it_has_grown(patch, hek, queues):
    searched(patch, queues)
    n_asked = len(hek.asked)
    last = patch.frames.last()
    grown = {"ny": 64, "nx": 64, "mu_min": 0.9, "mu_max": 0.95, "cards": last.cards}
    patch.frames.create(t_rec_s=last.t_rec_s + 5 * 3600, **grown)
    searched(patch, queues)
    assert len(hek.asked) == n_asked  # still within what was asked for
    patch.frames.create(t_rec_s=last.t_rec_s + 7 * 3600, **grown)
    assert searched(patch, queues).last_s == last.t_rec_s + 7 * 3600
    assert len(hek.asked) > n_asked


def test_frames_that_come_while_it_looks_are_searched_for_afterwards(patch, hek, queues, monkeypatch):
    first, actual = patch.frames.first(), jobs.events_at

    def slow(*arguments, **options):
        if not patch.frames.filter(t_rec_s__lt=first.t_rec_s).exists():
            patch.frames.create(t_rec_s=first.t_rec_s - 7200, ny=64, nx=64, mu_min=0.9, mu_max=0.95, cards=first.cards)
            assert actions.search_if_grown(patch) is None
        return actual(*arguments, **options)

    monkeypatch.setattr(jobs, "events_at", slow)
    assert searched(patch, queues).first_s == first.t_rec_s - 7200


def test_a_trouble_puts_it_off_longer_each_time_and_keeps_what_is_held(patch, listed, queues, settings, as_alice):
    settings.JSOC_PACE_S = 10
    searched(patch, queues)
    listed.trouble = URLError("no route to host")
    actions.look_again(patch)
    waits = []
    for _ in range(12):
        queues.work()
        search = EventSearch.objects.get()
        assert search.state == "waiting"
        waits.append((search.not_before - datetime.now(UTC)).total_seconds())
        EventSearch.objects.update(not_before=datetime.now(UTC))
        dispatch_due(EventSearch)
    assert waits == pytest.approx([min(3600, 10 * 2**n) for n in range(12)], abs=5)
    assert SolarEvent.objects.count() == 3
    page = as_alice.get(patch.get_absolute_url()).text
    assert "HEK could not be asked: the server cannot be reached: no route to host." in page
    listed.trouble = None
    queues.work()
    assert (EventSearch.objects.get().state, EventSearch.objects.get().troubles) == ("done", 0)


def test_somebody_who_will_not_wait_is_served_at_once(patch, listed, queues, as_alice):
    listed.trouble = URLError("no route to host")
    searched(patch, queues)
    listed.trouble = None
    response = as_alice.post(f"/patches/{patch.pk}/solar-events/search/")
    assert response.url == f"/patches/{patch.pk}/#solar-events"
    queues.work()
    assert EventSearch.objects.get().state == "done"


@pytest.mark.parametrize("body", [b'{"error": "busy"}', b"[]", b'{"result": null, "overmax": false}'])
def test_an_answer_that_is_no_list_is_a_sentence(patch, hek, queues, body, as_alice):
    hek.body = body
    search = searched(patch, queues)
    assert (search.state, search.error) == ("failed", "HEK answered with something that is no list of events")
    assert f"The search for events failed: {search.error}." in as_alice.get(patch.get_absolute_url()).text


def test_a_page_of_html_is_a_trouble_that_may_pass(patch, hek, queues):
    hek.body = b"<html>maintenance</html>"
    search = searched(patch, queues)
    assert search.state == "waiting"
    assert "Failed to load return" in search.waits_for


def test_frames_years_apart_are_refused_with_a_sentence(patch, hek, queues):
    last = patch.frames.last()
    patch.frames.create(
        t_rec_s=last.t_rec_s + 400 * 86400, ny=64, nx=64, mu_min=0.9, mu_max=0.9, cards=last.cards
    )  # fmt: skip
    search = searched(patch, queues)
    assert search.state == "failed"
    assert "400 days apart" in search.error
    assert hek.asked == []


def test_without_a_network_it_waits(patch, settings, queues):
    settings.EVENT_SEARCH = True
    search = searched(patch, queues)
    assert (search.state, search.troubles) == ("waiting", 1)
    assert "refuse" in search.waits_for


# -- NOAA numbers --------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_headers_and_of_the_list(patch):
    patch.noaa_ars = "11776,11777"
    HarpNoaa.objects.create(harpnum=99001, noaa_ar=11780)
    HarpNoaa.objects.create(harpnum=9900, noaa_ar=11999)
    assert queries.noaa_of(patch) == [11776, 11777, 11780]
    patch.series += "_nrt"  # its HARPs have numbers of their own
    assert queries.noaa_of(patch) == [11776, 11777]
    patch.noaa_ars = ""
    assert queries.noaa_of(patch) == []


# -- The timeline and the table ------------------------------------------------------------------------


def traces_of(run, user) -> dict:
    figure = timeline_figure(run, light_curve_rows(run), [], reader=user)
    return {trace["name"]: trace for trace in figure["data"]}


def test_events_are_marks_on_the_timeline(run, listed, queues, alice, here):
    assert "flare" not in traces_of(run, alice)
    searched(run.patch, queues)
    traces = traces_of(run, alice)
    assert {"flare", "emerging flux", "sunspot", "merge", "area"} <= set(traces)
    (flare,) = traces["flare"]["text"]
    assert flare.startswith("M1.4 flare 2013-06-19 00:43, maximum 00:47, end 00:54 UTC")
    assert flare.endswith("SWPC and 1 more")
    # TAI is 35 s ahead of UTC in 2013
    assert traces["flare"]["x"] == [(here[2] + timedelta(seconds=35)).isoformat()]
    assert traces["flare"]["y"] == [pytest.approx(4.146, abs=1e-3)]  # 4 is M1
    assert len({json.dumps(traces[kind]["marker"]["symbol"]) for kind in ("flare", "emerging flux", "sunspot")}) == 3


def test_what_only_touches_the_time_is_on_the_timeline(patch):
    first, last = patch.frames.first().t_rec_s, patch.frames.last().t_rec_s
    spans = {
        "before": (-200, -100),
        "into": (-200, 100),
        "within": (100, 200),
        "out of": (-100, 900),
        "after": (100, 200),
    }
    for name, (begin, end) in spans.items():
        of = last if name in ("out of", "after") else first
        start, over = (utc_of(of + seconds).replace(tzinfo=UTC) for seconds in (begin, end))
        patch.solar_events.create(hek_key=name, kind="FL", start=start, end=over, finder="SWPC")
    found = queries.events_between(patch, first, last)
    assert [event.hek_key for event in found] == ["into", "within", "out of"]


def test_what_happened_before_the_frames_is_in_the_table_alone(run, listed, queues, alice, as_alice):
    listed.rows = [row_of("FL_EARLY", utc_of(run.patch.frames.first().t_rec_s) - timedelta(hours=5), ar_noaanum=11776)]
    run.patch.noaa_ars = "11776"
    run.patch.save()
    searched(run.patch, queues)
    assert "flare" not in traces_of(run, alice)
    assert "FL_EARLY" in as_alice.get(run.patch.get_absolute_url()).text


def test_the_table_has_all_of_an_event(patch, listed, queues, as_alice):
    searched(patch, queues)
    page = as_alice.get(patch.get_absolute_url()).text
    section = page[page.index('id="solar-events"') : page.index('id="sharp-keywords"')]
    assert "1 flares" not in section
    for words in ("1 flare, 1 emergence of flux, 1 sunspot", "M1.4", "2013-06-19 00:43", "170, 150", f"{HEK}FL_SWPC_1",
                  "EGSO_SFC", "and 1 more", "<td class=\"number\">100</td>"):  # fmt: skip
        assert words in section
    assert "href" not in section  # nothing leads out of the site


def test_nothing_found_is_said(patch, hek, queues, as_alice):
    searched(patch, queues)
    page = as_alice.get(patch.get_absolute_url()).text
    assert "HEK lists no flare, emerging flux or sunspot in this patch" in page


def test_a_script_gets_the_part_alone_and_a_person_the_page(patch, as_alice):
    address = f"/patches/{patch.pk}/solar-events/"
    assert as_alice.get(address).url == f"/patches/{patch.pk}/#solar-events"
    part = as_alice.get(address, headers={"HX-Request": "true"}).text
    assert part.strip().startswith("<div")
    assert "hx-trigger" not in part


def test_a_search_that_goes_on_asks_again(patch, hek, as_alice):
    actions.search_if_grown(patch)
    part = as_alice.get(f"/patches/{patch.pk}/solar-events/", headers={"HX-Request": "true"}).text
    assert 'hx-trigger="every 5s"' in part
    assert "Looking for events at HEK" in part
