"""Marks on the Sun: what is one, what is refused, and what the viewer is told of them."""

import json
import math

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from poreweb.discussion import actions
from poreweb.discussion.about import About
from poreweb.discussion.marks import LEAST_DEGREES, MOST_DEGREES, N_POINTS, clean_mark, separation
from poreweb.discussion.models import Comment
from poreweb.discussion.problems import TalkError

HTMX = {"HX-Request": "true"}
CIRCLE = {"shape": "circle", "points": [[253.7, 10.9], [254.2, 10.9]]}
places = st.tuples(st.floats(-360, 360), st.floats(-90, 90)).map(list)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["shape", "points", "x"]), inner),
    max_leaves=8,
)


def unit(point):
    lon, lat = map(math.radians, point)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


@given(st.sampled_from(sorted(N_POINTS)), st.data())
def test_a_mark_is_kept_where_it_was_drawn_or_refused(shape, data):
    points = [data.draw(places) for _ in range(N_POINTS[shape])]
    try:
        mark = clean_mark({"shape": shape, "points": points})
    except TalkError:
        assert not LEAST_DEGREES * 1.1 < separation(*points) < MOST_DEGREES * 0.999
        return
    for kept, drawn in zip(mark["points"], points, strict=True):
        assert 0 <= kept[0] < 360
        assert math.dist(unit(kept), unit(drawn)) < 2e-7  # half of the last digit, in radians
    assert clean_mark(mark) == mark
    assert json.loads(json.dumps(mark, allow_nan=False)) == mark


def outcome(value):
    """The mark, or None and the sentence."""
    try:
        return clean_mark(value), ""
    except TalkError as problem:
        return None, str(problem)


@given(anything)
def test_anything_else_is_refused_with_one_sentence(value):
    for tried in (value, {"shape": "point", "points": value}, {"shape": value, "points": [[1, 2]]}):
        mark, words = outcome(tried)
        assert mark is not None or words.endswith(".")
        assert "\n" not in words
        if mark:
            assert set(mark) == {"shape", "points"}
            assert all(math.isfinite(angle) for point in mark["points"] for angle in point)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ({"shape": "star", "points": [[1, 2]]}, "a rectangle, a circle or an arrow"),
        ({"shape": "arrow", "points": [[1, 2]]}, "has 2 points"),
        ({"shape": "point", "points": [[1, 2], [3, 4]]}, "has 1 point."),
        ({"shape": "point", "points": [[1, 90.5]]}, "not at 90.5"),
        ({"shape": "point", "points": [[400, 0]]}, "not at 400"),
        ({"shape": "point", "points": [[1, None]]}, "two numbers"),
        ({"shape": "circle", "points": [[1, 2], [1, 2.0001]]}, "are one"),
        ({"shape": "rectangle", "points": [[0, 0], [120, 0]]}, "120 degrees apart"),
        ({"shape": "point", "points": [[1, 2]], "note": "x"}, "nothing else"),
    ],
)
def test_the_sentence_says_what_is_wrong(mark, words):
    with pytest.raises(TalkError, match=words):
        clean_mark(mark)


def test_separation_agrees_with_known_angles():
    assert separation([0, 90], [123, -90]) == pytest.approx(180)
    assert separation([359.5, 0], [0.5, 0]) == pytest.approx(1)
    assert separation([10, 60], [11, 60]) == pytest.approx(0.49999, abs=1e-4)


@pytest.fixture
def url(patch):
    return reverse("discussion:threads", args=[patch.pk])


def test_it_is_kept_with_the_frame_and_given_to_the_viewer(as_alice, frame, url):
    say_url = reverse("discussion:say", args=[frame.patch_id])
    form = {"text": "What is this?", "frame": frame.pk, "mark": json.dumps(CIRCLE)}
    answer = as_alice.post(f"{say_url}?place=viewer", form, headers=HTMX)
    thread = Comment.objects.get()
    assert (thread.mark, thread.frame) == (CIRCLE, frame)
    assert f'id="thread-{thread.pk}" data-open-thread' in answer.text
    [given_mark] = json.loads(answer.text.partition('"thread-marks" type="application/json">')[2].partition("<")[0])
    assert given_mark["thread"] == thread.pk
    assert {name: given_mark[name] for name in CIRCLE} == CIRCLE
    assert f"circle at 253.700°, +10.900° in {frame.t_rec}" in answer.text
    assert f"t={frame.t_rec}&amp;thread={thread.pk}" in answer.text


@pytest.mark.parametrize("mark", ["{", "[" * 100_000, '{"shape":"point","points":[[NaN,1]]}', "5"])
def test_a_bad_one_is_refused_and_the_words_stay(as_alice, patch, mark):
    say_url = reverse("discussion:say", args=[patch.pk])
    answer = as_alice.post(f"{say_url}?place=viewer", {"text": "my words", "mark": mark}, headers=HTMX)
    assert answer.status_code == 200
    assert "my words</textarea>" in answer.text
    assert not Comment.objects.exists()


def test_a_resolved_thread_takes_its_mark_away_unless_it_is_asked_for(as_alice, alice, patch, url):
    thread = actions.say(alice, patch, "look", about=About(mark=CIRCLE))
    assert '"circle"' in as_alice.get(f"{url}?place=viewer", headers=HTMX).text
    actions.resolve(thread, alice)
    assert '"circle"' not in as_alice.get(f"{url}?place=viewer", headers=HTMX).text
    assert '"circle"' in as_alice.get(f"{url}?place=viewer&thread={thread.pk}", headers=HTMX).text
