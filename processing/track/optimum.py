"""The links that together explain the whole series best: one linear programme over all candidates."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, eye_array, hstack, vstack

from processing.errors import FrameError
from processing.track.candidates import Candidates


@dataclass(frozen=True)
class EventCosts:
    """
    What an event costs, in log-odds, on top of the links that make it.

    The best of a grid for the mean F1 of merges, splits and gaps, on simulated series that
    the probabilities were not learned from: mergers and splits gain 0.004 over no costs.
    An end that might as well be a link is a link, a doubtful second parent is none.
    """

    appear: float = 0.8
    disappear: float = 0.8
    merge: float = 0.7
    split: float = 0.7


def choose_links(pairs: Candidates, cost: np.ndarray, *, n: int, fixed: np.ndarray, costs: EventCosts) -> np.ndarray:
    """
    Which candidates make the best lineage, as a mask.

    Every feature has one predecessor or appears, and one successor or disappears; each
    further predecessor is a merge, each further successor a split. The sum of the costs
    of links and events is the least possible.

    Parameters
    ----------
    pairs : `Candidates`
        Over ``n`` features.
    cost : ndarray, shape (n_candidates,)
        Minus the log-odds of each candidate.
    n : int
        Number of features.
    fixed : ndarray of int, shape (n_candidates,)
        1 for a link that must be, 0 for one that must not, -1 for one that is free.
    costs : `EventCosts`
        Costs of events.

    Raises
    ------
    FrameError
        If the solver finds no answer.
    """
    count = cost.size
    if count == 0:
        return np.zeros(0, bool)
    own = np.arange(count)
    ends_later = coo_array((np.ones(count), (pairs.later, own)), shape=(n, count))
    ends_earlier = coo_array((np.ones(count), (pairs.earlier, own)), shape=(n, count))
    used_later, used_earlier = np.unique(pairs.later), np.unique(pairs.earlier)
    links = vstack([csr_array(ends_later)[used_later], csr_array(ends_earlier)[used_earlier]])
    ends = used_later.size + used_earlier.size
    eye = eye_array(ends)
    # links + missing - extra = 1 at each end
    matrix = hstack([links, eye, -eye], format="csc")
    missing = np.r_[np.full(used_later.size, costs.appear), np.full(used_earlier.size, costs.disappear)]
    extra = np.r_[np.full(used_later.size, costs.merge), np.full(used_earlier.size, costs.split)]
    low = np.r_[(fixed == 1).astype(float), np.zeros(2 * ends)]
    high = np.r_[(fixed != 0).astype(float), np.ones(ends), np.full(ends, np.inf)]
    answer = milp(
        np.r_[cost, missing, extra],
        integrality=np.r_[np.ones(count), np.zeros(2 * ends)],
        bounds=Bounds(low, high),
        constraints=LinearConstraint(matrix, 1, 1),
    )
    if answer.x is None:
        raise FrameError(f"no lineage found: {answer.message}")
    return np.asarray(answer.x[:count] > 0.5)
