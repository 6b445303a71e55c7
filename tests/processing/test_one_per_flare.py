"""Which of HEK's detections are one flare, and what is kept of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.solar_events import SolarEvent, events_of, one_per_flare
from tests.processing.hek_rows import DETECTIVE, SOLARSOFT, SPOT, SWPC, flare


def test_of_three_detections_swpcs_is_kept_with_the_place_of_another():
    (kept,) = one_per_flare(events_of([DETECTIVE, SOLARSOFT, SWPC]))
    assert (kept.key, kept.finder, kept.goes_class) == (SWPC["kb_archivid"], "SWPC", "X2.2")
    assert (kept.lon_deg, kept.lat_deg, kept.tx) == (12.0, -21.0, 190.1)
    assert kept.others == ("SSW Latest Events", "Flare Detective - Trigger Module")


@pytest.mark.parametrize(
    ("other", "n_kept"),
    [
        (flare(11, 14, 19), 1),
        (flare(31, 35, 40), 2),
        (flare(10, 27, 40), 2),
        (flare(11, 14, 19, lon_deg=-40.0, lat_deg=12.0), 2),
        (flare(11, 14, 19, lon_deg=20.0, lat_deg=-15.0), 1),
        (flare(11, 14, 19, noaa_ar=11161), 2),
        (flare(11, 14, 19, finder="SWPC", goes_class="C3.0"), 2),
    ],
    ids=["the same", "later", "a later maximum", "elsewhere", "near", "another region", "another of SWPC's"],
)
def test_what_is_one_flare(other, n_kept):
    swpc = flare(10, 15, 20, finder="SWPC", goes_class="M1.0", lon_deg=12.0, lat_deg=-20.0, noaa_ar=11158)
    assert len(one_per_flare([other, swpc])) == n_kept


def test_a_row_of_flares_does_not_become_one():
    """Each meets the next within ten minutes; the classed ones are kept apart, the others join the first that fits."""
    events = [flare(8 * n, 8 * n + 4, 8 * n + 9, finder="SWPC", goes_class="C1.0") for n in range(5)]
    events += [flare(8 * n + 1, 8 * n + 5, 8 * n + 9) for n in range(5)]
    kept = one_per_flare(events)
    assert [event.finder for event in kept] == ["SWPC"] * 5
    assert sum(len(event.others) for event in kept) == 5


SWPCS = {"finder": "SWPC", "goes_class": "C2.0"}
EAST, WEST = {"lon_deg": -60.0, "lat_deg": 20.0}, {"lon_deg": 50.0, "lat_deg": -20.0}


def groups_of(*events: SolarEvent) -> dict[str, tuple[str, float | None, int | None, int]]:
    """By the key of the kept one: class, longitude, number, and how many others joined it."""
    kept = one_per_flare(events)
    assert kept == one_per_flare(events[::-1])
    return {event.key: (event.goes_class, event.lon_deg, event.noaa_ar, len(event.others)) for event in kept}


def test_flares_at_once_in_several_places_stay_apart():
    """SolarSoft's has SWPC's class, and so is SWPC's; what was seen elsewhere is another flare."""
    solarsoft = {**EAST, "finder": "SSW Latest Events", "goes_class": "C2.0", "noaa_ar": 11160}
    found = groups_of(
        flare(0, 5, 20, key="a", **SWPCS), flare(1, 6, 20, key="b", **solarsoft), flare(3, 8, 20, key="c", **WEST)
    )
    assert found == {"a": ("C2.0", -60.0, 11160, 1), "c": ("", 50.0, None, 0)}


@pytest.mark.parametrize("nearer", [5, 8], ids=["the east's maximum is nearer", "the west's"])
def test_a_class_is_not_taken_to_one_of_two_places(nearer):
    found = groups_of(
        flare(0, nearer, 20, key="a", **SWPCS), flare(0, 5, 20, key="b", **EAST), flare(3, 8, 20, key="c", **WEST),
        flare(1, 6, 20, key="d"),
    )  # fmt: skip
    assert found == {"a": ("C2.0", None, None, 1), "b": ("", -60.0, None, 0), "c": ("", 50.0, None, 0)}


@pytest.mark.parametrize(
    ("noaa_ar", "of_west", "lon"),
    [(11160, 11161, -60.0), (11160, None, -60.0), (11161, 11161, 50.0), (11162, 11161, None)],
)
def test_a_number_tells_which_of_two_places_it_is(noaa_ar, of_west, lon):
    found = groups_of(
        flare(0, 5, 20, key="a", noaa_ar=noaa_ar, **SWPCS), flare(0, 5, 20, key="b", noaa_ar=11160, **EAST),
        flare(3, 8, 20, key="c", noaa_ar=of_west, **WEST),
    )  # fmt: skip
    assert found["a"] == ("C2.0", lon, noaa_ar, 0 if lon is None else 1)
    assert len(found) == (3 if lon is None else 2)


@pytest.mark.parametrize("lon", [-60.0, None], ids=["placed", "without a place"])
def test_maxima_ten_minutes_apart_are_of_one_flare_at_any_time_of_day(lon):
    place = {"lon_deg": lon, "lat_deg": lon and 20.0}
    for minute in range(25):
        for apart in (-11, -10, 10, 11):
            other = flare(0, minute + 11 + apart, 60, key="b", finder="whoever", **place)
            found = groups_of(flare(0, minute + 11, 60, key="a", **SWPCS), other)
            assert len(found) == (1 if abs(apart) == 10 else 2)


def test_two_classed_ones_of_any_method_are_two_flares():
    solarsoft = {"finder": "SSW Latest Events", **EAST}
    found = groups_of(
        flare(0, 5, 20, key="a", **SWPCS), flare(0, 5, 20, key="b", goes_class="C2.0", **solarsoft),
        flare(1, 6, 20, key="c", goes_class="C2.1", **solarsoft),
    )  # fmt: skip
    assert found == {"a": ("C2.0", -60.0, None, 1), "c": ("C2.1", -60.0, None, 0)}


def test_what_is_compared_is_what_joined():
    """The second gives SWPC's the number, by which the third is of the region beside it."""
    near = {"lon_deg": -50.0, "lat_deg": 18.0}
    found = groups_of(
        flare(0, 5, 20, key="a", **SWPCS), flare(0, 5, 20, key="b", noaa_ar=11160, **EAST),
        flare(1, 7, 20, key="c", finder="whoever", noaa_ar=11161, **near),
    )  # fmt: skip
    assert found == {"a": ("C2.0", -60.0, 11160, 1), "c": ("", -50.0, 11161, 0)}


def test_the_best_of_two_is_joined_and_only_that_gets_its_place():
    found = groups_of(
        flare(0, 2, 20, key="a", **SWPCS), flare(1, 9, 20, key="b", **SWPCS), flare(1, 8, 20, key="c", **EAST)
    )
    assert found == {"a": ("C2.0", None, None, 0), "b": ("C2.0", -60.0, None, 1)}
    near, far = {"lon_deg": -58.0, "lat_deg": 20.0}, {"lon_deg": -48.0, "lat_deg": 20.0}
    found = groups_of(
        flare(0, 4, 20, key="a", **SWPCS, **far), flare(0, 7, 20, key="b", **SWPCS, **near),
        flare(0, 5, 20, key="c", **EAST),
    )  # fmt: skip
    assert found == {"a": ("C2.0", -48.0, None, 0), "b": ("C2.0", -58.0, None, 1)}


@pytest.mark.parametrize(("goes_class", "n_kept"), [("C2.9", 1), ("C1.1", 1), ("M5.0", 2), ("B9.0", 2)])
def test_a_larger_flare_is_another(goes_class, n_kept):
    solarsoft = flare(1, 6, 20, finder="SSW Latest Events", goes_class=goes_class, **EAST)
    assert len(groups_of(flare(0, 5, 20, key="a", **SWPCS), solarsoft)) == n_kept


def test_other_kinds_are_all_kept():
    spots = [{**SPOT, "kb_archivid": f"spot {n}"} for n in range(3)]
    assert len(one_per_flare(events_of([*spots, {**SPOT, "event_type": "EF", "kb_archivid": "flux"}]))) == 4


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=12))
def test_no_detection_is_lost_and_the_order_of_the_answer_does_not_matter(made):
    events = [
        flare(start, start + rise, start + rise + fall, key=f"{n}", finder="SWPC" if classed else f"method {n % 2}",
              goes_class="C1.0" if classed else "")
        for n, (start, rise, fall, classed) in enumerate(made)
    ]  # fmt: skip
    kept = one_per_flare(events)
    assert len(kept) + sum(len(event.others) for event in kept) == len(events)
    assert kept == one_per_flare(events[::-1])
    assert sum(event.finder == "SWPC" for event in kept) == sum(classed for *_, classed in made)
