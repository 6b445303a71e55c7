"""A live region: frames come one by one, and what was settled keeps its links and its numbers."""

import numpy as np
import pytest

from processing.errors import FrameError
from processing.lineage import Node, build_lineage
from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.track import extend_links, link_series, window_start
from processing.track.extend import CONTEXT, REOPENED
from processing.track.train import detected

OPTIONS = {"pixel_side_mm": 1.0, "reach_mm": None}
N_KNOWN, N_NEW = 60, 8


@pytest.fixture(scope="module")
def frames():
    simulated = simulate_tracks(LEVELS["medium"], seed=77, n_frames=N_KNOWN + N_NEW, shape=(300, 500))
    return list(detected(simulated))


@pytest.fixture(scope="module")
def known(frames):
    return link_series(frames[:N_KNOWN], **OPTIONS)


@pytest.fixture(scope="module")
def extended(frames, known):
    start = window_start(N_KNOWN)
    return extend_links(known, frames[start:], n_known=N_KNOWN - start, **OPTIONS)


def ends(links):
    return {(link.earlier, link.later) for link in links}


def nodes_of(frames):
    return [Node(int(number), index) for index, frame in enumerate(frames) for number in frame.ids]


def test_the_window_is_as_long_for_any_series():
    assert window_start(1000) == 1000 - REOPENED - CONTEXT
    assert window_start(5) == 0


def test_it_agrees_with_solving_the_whole(frames, extended):
    whole = ends(link_series(frames, **OPTIONS).links)
    assert len(whole ^ ends(extended.links)) <= 0.005 * len(whole)
    new = {int(number) for frame in frames[N_KNOWN:] for number in frame.ids}
    assert {later for _, later in ends(extended.links)} & new


def test_links_that_were_settled_stay(frames, known, extended):
    closed = {int(number) for frame in frames[: N_KNOWN - REOPENED] for number in frame.ids}
    before = [link for link in known.links if link.later in closed]
    assert before
    assert [link for link in extended.links if link.later in closed] == before


def test_tracks_keep_their_numbers(frames, known, extended):
    before = build_lineage(nodes_of(frames[:N_KNOWN]), known.links, n_frames=N_KNOWN).tracks
    numbers = {track.ids[0]: track.number for track in before}
    after = build_lineage(nodes_of(frames), extended.links, n_frames=len(frames), numbers=numbers).tracks
    assert {track.ids[0]: track.number for track in after}.items() >= {
        head: number for head, number in numbers.items() if head in {track.ids[0] for track in after}
    }.items()
    assert len({track.number for track in after}) == len(after)
    new = [track.number for track in after if track.ids[0] not in numbers]
    assert new
    assert min(new) > max(numbers.values())


def test_one_frame_at_a_time_ends_where_all_at_once_does(frames, known):
    growing = known
    for n_known in range(N_KNOWN, len(frames)):
        start = window_start(n_known)
        growing = extend_links(growing, frames[start : n_known + 1], n_known=n_known - start, **OPTIONS)
    whole = ends(link_series(frames, **OPTIONS).links)
    assert len(whole ^ ends(growing.links)) <= 0.01 * len(whole)


def test_what_people_settled_holds_in_the_window(frames, known):
    start = window_start(N_KNOWN)
    last, new = frames[N_KNOWN - 1], frames[N_KNOWN]
    apart = np.hypot(last.row[:, None] - new.row, last.col[:, None] - new.col)
    i, j = np.unravel_index(np.argmax(apart), apart.shape)
    odd = (int(last.ids[i]), int(new.ids[j]))
    plain = extend_links(known, frames[start:], n_known=N_KNOWN - start, **OPTIONS)
    sure = next(link for link in plain.links if link.later in new.ids)
    settled = {odd: True, (sure.earlier, sure.later): False}
    found = ends(extend_links(known, frames[start:], n_known=N_KNOWN - start, settled=settled, **OPTIONS).links)
    assert odd in found
    assert (sure.earlier, sure.later) not in found


@pytest.mark.parametrize("n_known", [N_KNOWN + N_NEW, -1], ids=["nothing new", "negative"])
def test_there_must_be_something_new(frames, known, n_known):
    with pytest.raises(FrameError, match="leave no new one"):
        extend_links(known, frames, n_known=n_known, **OPTIONS)
