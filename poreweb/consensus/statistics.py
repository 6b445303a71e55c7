"""How far the reviewers of a team agree: over all events, by kind and by mu."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db.models import Q

from poreweb.consensus.firsts import first_judgements
from poreweb.observations.models import Patch
from poreweb.people.models import Team
from poreweb.review.models import Choice
from poreweb.review.queries import hidden_from
from poreweb.tracks.models import Event, Run
from processing.agreement import agreement_of, confidence, pair_name
from processing.lineage import EVENT_KINDS

# Each from its lower end up: at 0.5 a pixel covers twice as much of the Sun along the radius as at the centre.
MU_BINS = {"0.9 to 1": 0.9, "0.7 to 0.9": 0.7, "0.5 to 0.7": 0.5, "0.3 to 0.5": 0.3, "below 0.3": 0.0}
MU_UNKNOWN = "not known"
# Enough for two digits of the interval's ends.
N_RESAMPLES = 500

Pair = tuple[str, str]


@dataclass(frozen=True)
class Rated:
    """An event with what each reviewer, by name, has said of it first; two of them or more."""

    event: int
    kind: str
    mu: float | None
    choices: Mapping[str, str]

    @property
    def mu_bin(self) -> str:
        """The name of its bin of mu."""
        mu = self.mu
        return MU_UNKNOWN if mu is None else next(name for name, low in MU_BINS.items() if mu >= low or low == 0)

    @property
    def is_at_odds(self) -> bool:
        """Whether not all have said the same."""
        return len(set(self.choices.values())) > 1


@dataclass(frozen=True)
class Measure:
    """A measure over ``n`` events, or in ``why`` the sentence that it is not defined."""

    value: float
    n: int
    why: str = ""


@dataclass(frozen=True)
class Group:
    """Agreement on some of the events; ``interval`` is that of alpha with 95 % confidence."""

    label: str
    n_events: int
    n_verdicts: int
    n_reviewers: int
    observed: Measure
    fleiss: Measure
    alpha: Measure
    interval: tuple[float, float] | None
    cohen: Mapping[Pair, Measure]


@dataclass(frozen=True)
class Statistics:
    """Agreement on all the events, and on those of each kind and of each bin of mu that there are."""

    all: Group
    kinds: list[Group]
    mus: list[Group]

    @property
    def pairs(self) -> list[Pair]:
        """Every two reviewers with an event in common, by name."""
        return sorted(pair for pair, measure in self.all.cohen.items() if measure.n)


# -- What is rated ---------------------------------------------------------------------------


def rated_events(
    team: Team, viewer: User, *, patch: Patch | None = None, run: Run | None = None, kind: str = ""
) -> list[Rated]:
    """
    The team's events with the first judgements of two reviewers or more, in time, as far as the viewer may know them.

    In a blind team that is what is settled, what he or she has judged too and, for a lead,
    what waits for one. No lead is told more: of numbers over all events those over all but
    one can be taken away, and what is left tells of a single event.
    """
    wanted = Q(event__run__patch__team=team)
    for name, value in (("event__run__patch", patch), ("event__run", run), ("event__kind", kind)):
        wanted &= Q(**{name: value}) if value else Q()
    hidden = hidden_from(viewer) if team.is_blind else None
    if hidden is not None:
        wanted &= Q(event__in=Event.objects.filter(~hidden, run__patch__team=team))
    by_time = ("event__run", "event__index", "event", "act__by__username")
    rows = first_judgements().filter(wanted).order_by(*by_time)
    choices: dict[int, dict[str, str]] = defaultdict(dict)
    about: dict[int, tuple[str, float | None]] = {}
    columns = ("event_id", "event__kind", "event__mu", "act__by__username", "after__choice")
    for event, of_kind, mu, name, choice in rows.values_list(*columns):
        choices[event][name] = choice
        about[event] = of_kind, mu
    return [Rated(event, *about[event], given) for event, given in choices.items() if len(given) > 1]


def at_odds(rated: Iterable[Rated]) -> list[Rated]:
    """The events of which not all have said the same."""
    return [item for item in rated if item.is_at_odds]


# -- Measures --------------------------------------------------------------------------------


def statistics_of(rated: Sequence[Rated]) -> Statistics:
    """All measures of these events."""
    by_kind, by_mu = defaultdict[str, list[Rated]](list), defaultdict[str, list[Rated]](list)
    for item in rated:
        by_kind[item.kind].append(item)
        by_mu[item.mu_bin].append(item)
    return Statistics(
        _group("all", rated),
        [_group(kind, by_kind[kind]) for kind in EVENT_KINDS if kind in by_kind],
        [_group(name, by_mu[name]) for name in (*MU_BINS, MU_UNKNOWN) if name in by_mu],
    )


def _group(label: str, rated: Sequence[Rated]) -> Group:
    ratings: list[Mapping[Any, str]] = [item.choices for item in rated]
    found = agreement_of(ratings)
    # the same numbers each time that the page is asked for
    low, high = confidence(ratings, rng=np.random.default_rng(len(ratings)), n_resamples=N_RESAMPLES)
    n_fleiss, fleiss = found.fleiss
    return Group(
        label=label,
        n_events=found.n_items,
        n_verdicts=sum(len(choices) for choices in ratings),
        n_reviewers=len(found.raters),
        observed=_measure(found.observed, found.n_items, found.reasons.get("observed")),
        fleiss=_measure(fleiss, n_fleiss, found.reasons.get("fleiss")),
        alpha=_measure(found.alpha, found.n_items, found.reasons.get("alpha")),
        interval=None if isnan(low) else (low, high),
        cohen={
            _by_name(pair): _measure(kappa, n, found.reasons.get(pair_name(*pair)))
            for pair, (n, kappa) in found.cohen.items()
        },
    )


def _measure(value: float, n: int, why: str | None) -> Measure:
    return Measure(value, n, (why or "it has no value here") if isnan(value) else "")


def _by_name(pair: tuple[Any, Any]) -> Pair:
    first, second = sorted(pair)
    return first, second


def confusion(rated: Iterable[Rated], pair: Pair) -> list[tuple[str, list[int]]]:
    """For each choice of the first of two reviewers, how often the second made each, in the order of `Choice`."""
    first, second = pair
    n = Counter((item.choices[first], item.choices[second]) for item in rated if {first, second} <= item.choices.keys())
    return [(str(one.label), [n[one.value, other.value] for other in Choice]) for one in Choice]
