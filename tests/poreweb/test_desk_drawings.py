"""The drawings of a desk: the lineage around an event and the curves of its tracks, and the balance across it."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from poreweb.review.desk import context as desk
from poreweb.review.desk import curves as desk_curves
from poreweb.review.desk import lineage as desk_lineage
from poreweb.review.desk.window import Edge, Pore, Window, WindowFrame, window_of
from poreweb.tracks.models import Event, Feature

T0 = 646_000_560
NUMBER = r"-?\d+\.?\d*"


# -- A lineage of one's own, without a database ----------------------------------------------------


def pore(pk: int, index: int, track: int | None, row: float = 10, *, area: float = 3, **known) -> Pore:
    values = {"flux_mx": 1e19, "b_g": 1500.0, "flags": 0, **known}
    return Pore(pk, index, pk, track, row, 20, 100, area, **values)


def window(pores: list[Pore], edges: list[tuple[int, int]] = (), *, slots: dict[int, int] | None = None) -> Window:
    """Frames as the pores need them, one every slot unless ``slots`` says otherwise."""
    indices = range(min(item.index for item in pores), max(item.index for item in pores) + 1)
    at = slots or {index: index for index in indices}
    by_id = {item.id: item for item in pores}
    return Window(
        {index: WindowFrame(index, index, index, T0 + 720 * at[index], "") for index in indices},
        by_id,
        [Edge(one, other, by_id[other].index - by_id[one].index - 1) for one, other in edges],
    )


# -- Lineage -----------------------------------------------------------------------------------------


def test_what_is_joined_comes_nearest_first():
    pores = [pore(1, 0, 1), pore(2, 0, 2), pore(3, 1, 3), pore(4, 2, 4), pore(5, 2, 5), pore(9, 0, 9)]
    joined = window(pores, [(1, 3), (2, 3), (3, 4), (3, 5)])
    assert desk_lineage.joined_tracks([1], joined) == ([1, 3, 2, 4, 5], 0)
    assert desk_lineage.joined_tracks([9], joined) == ([9], 0)


def test_very_many_tracks_are_cut_short_and_counted(monkeypatch):
    monkeypatch.setattr(desk_lineage, "MOST_TRACKS", 3)
    pores = [pore(k, k, k) for k in range(1, 8)]
    chain = window(pores, [(k, k + 1) for k in range(1, 7)])
    assert desk_lineage.joined_tracks([4], chain) == ([4, 3, 5], 4)


def test_tracks_that_meet_in_time_have_lanes_of_their_own():
    pores = [
        pore(1, 0, 1, 30, area=5),
        pore(11, 1, 1, 30, area=5),
        pore(2, 0, 2, 10),
        pore(12, 1, 2, 10),
        pore(3, 2, 3),
        pore(4, 3, 4),
        pore(5, 3, 5),
    ]
    by_track: dict[int, list[Pore]] = {}
    for item in pores:
        by_track.setdefault(item.track, []).append(item)
    by_id = {item.id: item for item in pores}
    lanes = desk_lineage.lanes_of(
        by_track, [(by_id[one], by_id[other]) for one, other in [(11, 3), (12, 3), (3, 4), (3, 5)]]
    )
    assert lanes[1] < lanes[2]  # north above south
    assert lanes[3] == lanes[1]  # on in the lane of its largest parent
    assert lanes[4] != lanes[5]
    assert set(lanes.values()) == set(range(len(set(lanes.values()))))


def test_the_drawing_has_every_track_join_and_event(as_alice, event):
    lineage = desk_lineage.lineage_of(event, window_of(event))
    own = {feature.track.number for feature in (*event.parents.all(), *event.children.all())}
    assert {track.number for track in lineage.tracks} >= own
    assert sum(join.lost for join in lineage.joins) == 0
    assert [mark.event for mark in lineage.marks if mark.is_this] == [event]
    page = as_alice.get(event.get_absolute_url()).text
    drawing = page[page.index('<svg id="lineage-drawing"') :].split("</svg>")[0]
    for number in own:
        assert f">{number}</text>" in drawing
    assert f'data-steer="{event.index}"' in drawing


def test_time_that_is_missing_leaves_a_hole():
    held = window([pore(1, 0, 1), pore(2, 1, 1), pore(3, 2, 1)], slots={0: 0, 1: 1, 2: 5})
    assert held.slots == {0: 0, 1: 1, 2: 5}
    assert held.minutes(1, 2) == 48
    assert held.minutes(1, 7) is None


# -- Curves ------------------------------------------------------------------------------------------


def curve(plot, number):
    return next(item for item in plot.curves if item.number == number)


@pytest.fixture
def story(event) -> Iterator[tuple[Event, Window]]:
    """The merger's tracks with values that are known by heart, and a gap in one of them."""
    (one, other), child = event.parents.all(), event.children.get()
    pores = [
        pore(one.pk, 3, 1, area=2), pore(101, 1, 1, area=2), pore(102, 0, 1, area=2),
        pore(other.pk, 3, 2, area=3, flux_mx=None, flags=2),
        pore(child.pk, 4, 3, area=5), pore(103, 5, 3, area=5.2),
    ]  # fmt: skip
    return event, window(pores, [(one.pk, child.pk), (other.pk, child.pk)])


def test_a_curve_breaks_where_the_pore_is_not_seen(story):
    area = desk_curves.curves_of(*story).plots[0]
    assert curve(area, 1).path.count("M") == 1  # frames 0 and 1; frame 3 stands alone
    assert len(curve(area, 1).dots) == 1
    assert re.fullmatch(rf"M{NUMBER} {NUMBER}L{NUMBER} {NUMBER}", curve(area, 3).path)


def test_what_is_not_known_is_neither_drawn_nor_nought(story):
    curves = desk_curves.curves_of(*story)
    area, flux, _ = curves.plots
    assert len(curve(area, 2).dots) == 1
    assert curve(flux, 2).path == ""
    assert curve(flux, 2).dots == []
    rows = {number: cells for _, number, cells in curves.rows}
    assert rows[4][3:6] == ["3.0", "field missing", "1500"]
    assert rows[3][:3] == ["not seen"] * 3
    assert rows[5][6] == "5.0"


def test_together_breaks_with_its_parts(story):
    event, around = story
    flux = desk_curves.curves_of(event, around).plots[1]
    assert flux.total.count("M") == 2  # frame 3 has a pore of unknown flux
    assert flux.total.count("L") == 2


def test_a_field_that_is_nowhere_known_says_so(story):
    event, around = story
    without = {pk: replace(item, b_g=None) for pk, item in around.pores.items()}
    field = desk_curves.curves_of(event, Window(around.frames, without, around.edges)).plots[2]
    assert (field.curves, field.reason) == ([], "field missing")


@pytest.mark.parametrize(
    "values", [[0.5], [-3.0, -1.0], [1e-3, 2e-3], [1400.0, 1500.0], [0.0, 0.0], [-400.0, 500.0], [7.0, 7.0]]
)
def test_an_axis_holds_its_values_and_has_round_ticks(values):
    low, high, ticks = desk_curves.scale_of(values)
    assert low <= min(values) <= max(values) <= high
    assert 2 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_the_balance_is_in_words(event):
    one, other = event.parents.all()
    Feature.objects.filter(pk=one.pk).update(area_mm2=2, flux_mx=212e18)
    Feature.objects.filter(pk=other.pk).update(area_mm2=3, flux_mx=200e18)
    Feature.objects.filter(pk=event.children.get().pk).update(area_mm2=4, flux_mx=405e18)
    words = dict(desk_curves.balance_words(Event.objects.get(pk=event.pk)))
    assert words["Flux"] == "in 412·10¹⁸ Mx, out 405·10¹⁸ Mx (−2 %)"
    assert words["Area"] == "in 5.0 Mm², out 4.0 Mm² (−20 %)"
    Feature.objects.filter(pk=one.pk).update(flux_mx=None)
    assert dict(desk_curves.balance_words(Event.objects.get(pk=event.pk)))["Flux"] == "not known: field missing"


def test_nothing_is_balanced_against_nothing(run, event):
    death = run.events.create(kind="disappear", index=event.index)
    death.parents.set(event.parents.all()[:1])
    assert desk_curves.balance_words(death) == []
    assert desk.desk_context(death)["balance"] == []
