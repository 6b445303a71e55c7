"""What people have settled about links, as the tracker obeys it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from processing.errors import FrameError
from processing.track.candidates import Candidates
from processing.track.motion import Motion
from processing.track.probability import SURE
from processing.track.series import Series


@dataclass(frozen=True)
class Judged:
    """Settled pairs of features as places in a series of ``n``: those that are links, those that are none."""

    n: int
    links: np.ndarray
    no_links: np.ndarray

    @classmethod
    def of(cls, series: Series, settled: Mapping[tuple[int, int], bool]) -> "Judged":
        """
        From ids: (earlier, later) -> whether it is a link.

        Raises
        ------
        FrameError
            If a pair names a feature that is not in the series, or does not lead to a
            later frame.
        """
        place = {int(number): k for k, number in enumerate(series.ids)}
        found: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for (earlier, later), is_link in settled.items():
            if earlier not in place or later not in place:
                raise FrameError(f"the settled link {earlier} to {later} joins a feature that is not in the series")
            i, j = place[earlier], place[later]
            if series.frame[i] >= series.frame[j]:
                raise FrameError(f"the settled link {earlier} to {later} does not lead to a later frame")
            found[bool(is_link)].append((i, j))
        links, no_links = (np.array(found[kind], np.int64).reshape(-1, 2) for kind in (True, False))
        return cls(series.ids.size, links, no_links)

    def is_link(self, pairs: Candidates) -> np.ndarray:
        """Which candidates people have settled to be links."""
        return pairs.among(self.links, self.n)

    def is_no_link(self, pairs: Candidates) -> np.ndarray:
        """Which candidates people have settled not to be links."""
        return pairs.among(self.no_links, self.n)

    def mask(self, motion: Motion) -> Motion:
        """The motion without the sure pairs that people say are none."""
        i, j = self.no_links[motion.after[self.no_links[:, 0]] == self.no_links[:, 1]].T
        after, before, goes, came = (item.copy() for item in (motion.after, motion.before, motion.goes, motion.came))
        after[i], before[j] = -1, -1
        goes[i], came[j] = np.nan, np.nan
        return replace(motion, after=after, before=before, goes=goes, came=came)

    def with_missing(self, series: Series, pairs: Candidates, probability: np.ndarray) -> tuple[Candidates, np.ndarray]:
        """Candidates and probabilities with the settled links that no search has found."""
        known = np.isin(self.links @ [self.n, 1], pairs.earlier * self.n + pairs.later)
        more = self.links[~known]
        steps = np.diff(series.slot[series.frame[more]], axis=1).ravel()
        joined = Candidates(
            np.r_[pairs.earlier, more[:, 0]],
            np.r_[pairs.later, more[:, 1]],
            np.r_[pairs.steps, steps],
            np.r_[pairs.shared, np.zeros(len(more))],
        )
        return joined, np.r_[probability, np.full(len(more), SURE)]
