"""When verdicts settle an event: the rule alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poreweb.review.consensus import outcome
from poreweb.review.judgement import Judgement

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
CUT = Judgement("correct", correction={"add": [], "remove": [[1, 2]], "spurious": []})
CUT_TOO = Judgement("correct", "motion", "the same", {"remove": [[1, 2]]})
DRAWN = Judgement("correct", correction={"add": [[1, 3]]})
OF_WORD = {
    "a": Judgement("accept"),
    "r": Judgement("reject"),
    "u": Judgement("unsure"),
    "c": CUT,
    "C": CUT_TOO,
    "d": DRAWN,
}


def at_times(judgements) -> list[tuple[Judgement, datetime]]:
    return [(judgement, FIRST + timedelta(minutes=k)) for k, judgement in enumerate(judgements)]


@pytest.mark.parametrize(
    ("said", "quorum", "state", "settled"),
    [
        ("", 1, "pending", ""),
        ("a", 1, "accepted", "a"),
        ("r", 1, "rejected", "r"),
        ("c", 1, "corrected", "c"),
        ("u", 1, "unsure", ""),
        ("ua", 1, "accepted", "a"),
        ("ar", 1, "disputed", ""),
        ("cd", 1, "disputed", ""),
        ("cC", 2, "corrected", "c"),
        ("a", 2, "pending", ""),
        ("aa", 2, "accepted", "a"),
        ("ar", 2, "disputed", ""),
        ("arr", 2, "rejected", "r"),
        ("aarr", 2, "disputed", ""),
        ("au", 2, "unsure", ""),
        ("uu", 2, "unsure", ""),
        ("u", 2, "pending", ""),
        ("aau", 3, "unsure", ""),
        ("aaua", 3, "accepted", "a"),
    ],
)
def test_the_rule(said, quorum, state, settled):
    found = outcome(at_times(OF_WORD[word] for word in said), quorum)
    assert found.state == state
    assert (found.settled and found.settled.answer) == (OF_WORD[settled].answer if settled else None)


judgements = st.lists(st.sampled_from(list(OF_WORD.values())), max_size=9).map(at_times)


@pytest.mark.parametrize(
    ("said", "quorum", "minute"), [("ra", 1, None), ("rrr", 1, 0), ("rara", 2, None), ("arr", 2, 2), ("rarr", 3, 3)]
)
def test_it_is_settled_since_enough_had_said_so(said, quorum, minute):
    at = outcome(at_times(OF_WORD[word] for word in said), quorum).at
    assert at == (None if minute is None else FIRST + timedelta(minutes=minute))


@given(judgements, st.integers(1, 5), st.randoms())
def test_the_order_does_not_matter(given_, quorum, random):
    found = outcome(given_, quorum)
    shuffled = list(given_)
    random.shuffle(shuffled)
    other = outcome(shuffled, quorum)
    assert (found.state, found.settled and found.settled.answer) == (
        other.state,
        other.settled and other.settled.answer,
    )


@given(judgements, st.integers(1, 5))
def test_what_is_settled_has_been_said_often_enough_and_nothing_else_has(given_, quorum):
    found = outcome(given_, quorum)
    said = [judgement for judgement, _ in given_]
    counts = {j.answer: sum(o.answer == j.answer for o in said) for j in said if j.choice != "unsure"}
    agreed = [answer for answer, n in counts.items() if n >= quorum]
    assert (found.settled is not None) == (len(agreed) == 1)
    assert (found.state == "pending") == (len(given_) < quorum)
    if found.state == "disputed":
        assert len(counts) > 1


def test_what_the_history_keeps_says_the_same():
    assert Judgement.from_dict(DRAWN.as_dict()) == DRAWN
