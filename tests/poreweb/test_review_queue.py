"""Which events are asked for, in what order, how sure the machine is of each, and what might have been instead."""

import re
from html import unescape

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from poreweb.review import actions
from poreweb.review.judgement import Judgement
from poreweb.review.queries import STATES
from poreweb.review.queue import ORDERS, Queue
from poreweb.review.templatetags.certainty import digits, minus, probability, signed
from poreweb.tracks.models import Alternative, Event, Feature
from processing.certainty import doubt
from processing.lineage import EVENT_KINDS

# Kind, index and probability of each event, in order of time; births and deaths among them.
STORY = [
    ("gap", 2, 0.97), ("appear", 3, 0.4), ("merge", 4, 0.8), ("split", 4, None), ("disappear", 5, 0.93),
    ("merge", 6, 0.8), ("merge", 6, 0.55), ("disappear", 7, None), ("appear", 8, 0.89), ("split", 9, 0.995),
]  # fmt: skip
BY_UNCERTAINTY = [1, 6, 2, 5, 8, 0, 9, 3]  # places in STORY; 4 is sure enough, 7 not known
BY_TIME = [0, 1, 2, 3, 5, 6, 8, 9]


@pytest.fixture
def story(run) -> list[Event]:
    """The events of STORY in place of those that the tracker found, on the merger's own pores."""
    merger = run.events.get(kind="merge")
    parents, children = list(merger.parents.all()), list(merger.children.all())
    run.events.all().delete()
    events = []
    for kind, index, value in STORY:
        known = None if value is None else doubt(value, None)
        event = run.events.create(kind=kind, index=index, probability=value, doubt=known)
        event.parents.set([] if kind == "appear" else parents)
        event.children.set([] if kind == "disappear" else children)
        events.append(event)
    return events


@pytest.fixture
def url(run) -> str:
    return reverse("review:events", args=[run.pk])


def places(events, story: list[Event]) -> list[int]:
    keys = [event.pk for event in story]
    return [keys.index(event.pk) for event in events]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", BY_UNCERTAINTY),
        ("?order=time", BY_TIME),
        ("?order=nonsense", BY_UNCERTAINTY),
        ("?above=0.85", [1, 6, 2, 5, 3]),
        ("?above=0.8", [1, 6, 3]),  # that sure is sure enough
        ("?above=0.95&order=time", [1, 2, 3, 4, 5, 6, 8]),
        ("?above=1", [1, 6, 2, 5, 8, 4, 0, 9, 3]),
        ("?above=0.5", [1, 3]),
        ("?above=0.95&kind=merge", [6, 2, 5]),
        ("?kind=appear", [1, 8]),
        ("?kind=disappear", [4, 7]),
        ("?kind=disappear&above=0.9", [7]),
        ("?above=0.9&state=accepted", []),
        ("?above=x&kind=nonsense&state=nonsense", BY_UNCERTAINTY),
    ],
)
def test_the_most_uncertain_come_first(as_alice, story, url, query, expected):
    response = as_alice.get(url + query)
    assert response.status_code == 200
    assert places(response.context["page"], story) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?above=0.95", "6 of 10 events are less sure than 0.95; 5 of them still wait for a verdict."
                        " 2 are surer and not listed."),
        ("", "5 of 10 events are less sure than 0.9; 4 of them still wait for a verdict."),
        ("?above=0.5", "1 of 10 events is less sure than 0.5; 1 of them still waits for a verdict."
                       " 7 are surer and not listed."),
        ("?above=0.6&kind=merge", "1 of 3 events of this kind is less sure than 0.6;"
                                  " 0 of them still wait for a verdict. 2 are surer and not listed."),
        ("?above=0.9&kind=gap", "0 of 1 events of this kind are less sure than 0.9. 1 is surer and not listed."),
        ("?above=0.995", "7 of 10 events are less sure than 0.995; 6 of them still wait for a verdict."
                         " 1 is surer and not listed."),
    ],
)  # fmt: skip
def test_the_threshold_says_what_it_does(as_alice, alice, story, url, query, words):
    actions.give_verdict(story[6], alice, Judgement("accept"))
    page = as_alice.get(url + query).text
    (said,) = re.findall(r'<p id="threshold-words"[^>]*>(.*?)</p>', page)
    assert said.startswith(words)
    assert (said == words) is (
        "kind=" in query
    )  # where births and deaths are not chosen by name, it says when they come


def test_the_control_keeps_what_else_is_asked_for(as_alice, story, url):
    page = as_alice.get(f"{url}?above=0.95&kind=merge&state=pending&order=time").text
    (form,) = re.findall(r'<form class="threshold".*?</form>', page, re.DOTALL)
    assert re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', form) == [
        ("kind", "merge"), ("state", "pending"), ("order", "time")
    ]  # fmt: skip
    assert 'value="0.95"' in form
    assert '<label for="above">' in form
    assert 'href="?kind=merge&amp;state=pending&amp;order=time">Show all</a>' in form
    for chips, n in (("Kind", 6), ("State", 7), ("Waits", 2), ("For", 3), ("Order", 2)):
        (found,) = re.findall(rf'<ul class="chips" aria-label="{chips}">(.*?)</ul>', page, re.DOTALL)
        assert found.count("above=0.95") == found.count("<li>") == n


def test_each_choice_says_how_many_it_leads_to(as_alice, alice, story, url):
    for event, choice in ((story[1], "accept"), (story[2], "reject"), (story[3], "accept")):
        actions.give_verdict(event, alice, Judgement(choice))
    for query in ("", "?above=0.85", "?state=accepted", "?kind=merge&above=0.95"):
        page = as_alice.get(url + query)
        for words, address, _ in (*page.context["kinds"], *page.context["states"]):
            if words != "any state":
                assert as_alice.get(url + address).context["page"].paginator.count == int(words.split()[-1]), address


def test_the_list_shows_how_sure_the_machine_is(as_alice, story, url):
    Event.objects.filter(pk=story[6].pk).update(
        runner_up="track 3 <disappears>", runner_up_probability=0.25, margin=-0.125, reasons="two parents"
    )
    page = unescape(re.sub(r"<svg.*?</svg>", "", as_alice.get(url).text))
    rows = re.findall(r"<tr>\s*<td>.*?</tr>", page, re.DOTALL)
    row = next(row for row in rows if f"/events/{story[6].pk}/" in row)
    assert ">0.55<" in row
    assert "track 3 <disappears>" in row
    assert ">0.25<" in row
    assert "−0.12<" in row
    unknown = next(row for row in rows if f"/events/{story[3].pk}/" in row)
    assert "not known" in unknown


def test_a_run_of_before_says_so(as_alice, story, run, url):
    run.events.update(probability=None, doubt=None)
    page = as_alice.get(f"{url}?above=0.95")
    assert places(page.context["page"], story) == [0, 2, 3, 5, 6, 9]
    assert "How sure these events are is not known" in page.text
    assert 'class="threshold"' not in page.text
    assert "less sure than" not in page.text
    shown = as_alice.get(story[2].get_absolute_url())
    assert "the tracker of that time did not keep them" in shown.text
    assert "Runner-up" not in shown.text


def test_a_run_without_events_says_nothing_of_them(as_alice, run, url):
    run.events.all().delete()
    page = as_alice.get(url).text
    assert "No event was found in this run." in page
    assert "less sure" not in page
    assert "not known" not in page


@pytest.mark.parametrize("query", ["", "?order=time&above=0.85", "?kind=merge&above=0.7", "?above=1"])
def test_next_and_previous_follow_the_list(as_alice, story, url, query):
    listed = list(as_alice.get(url + query).context["page"])
    for before, here, after in zip([None, *listed], listed, [*listed[1:], None], strict=False):
        page = as_alice.get(f"{here.get_absolute_url()}{query}")
        assert (page.context["previous"], page.context["next"]) == (before, after)
        for other in filter(None, (before, after)):
            assert f'href="{other.get_absolute_url()}{query.replace("&", "&amp;")}"' in page.text


def test_an_event_that_is_not_listed_has_its_place(as_alice, story):
    """Opened from elsewhere, or judged by oneself when only those that wait are asked for."""
    page = as_alice.get(f"{story[4].get_absolute_url()}?kind=merge")  # a death at 0.93; the mergers are all less sure
    assert (page.context["previous"], page.context["next"]) == (story[5], None)
    page = as_alice.get(f"{story[7].get_absolute_url()}?above=0.85")  # one of unknown probability, in frame 8
    assert (page.context["previous"], page.context["next"]) == (story[3], None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", BY_UNCERTAINTY),
        ("?order=time", BY_TIME),
        ("?above=0.85", [1, 6, 2, 5, 3]),
        ("?kind=merge&above=0.7", [6]),
        ("?state=rejected", BY_UNCERTAINTY),
    ],
)
def test_judging_goes_through_the_list(as_alice, story, url, query, expected):
    seen, address = [], f"{story[expected[0]].get_absolute_url()}{query}"
    while address.startswith("/events/"):
        path, _, asked = address.partition("?")
        seen.append(int(path.split("/")[2]))
        address = as_alice.post(f"{path}verdict/?{asked}", {"choice": "accept"}).url
    assert seen == [story[place].pk for place in expected]
    assert address.startswith(url)
    kept = query.replace("?state=rejected", "")  # whose state is asked for is a matter of the list, not of the desk
    assert kept.strip("?") in address


def test_taking_back_keeps_the_order(as_alice, story):
    asked = "?above=0.85&order=time"
    as_alice.post(f"/events/{story[2].pk}/verdict/{asked}", {"choice": "accept"})
    back = as_alice.post(f"/runs/{story[2].run_id}/undo/{asked}").url
    assert back == f"{story[2].get_absolute_url()}?order=time&above=0.85"


def test_pages_keep_order_and_threshold(as_alice, run, url):
    Event.objects.bulk_create(
        Event(run=run, kind="split", index=3, probability=0.5 + k / 1000, doubt=0.5 - k / 1000) for k in range(120)
    )
    second = as_alice.get(f"{url}?kind=split&above=0.6&page=2")
    values = [event.probability for event in second.context["page"]]
    assert values == sorted(values)
    assert (values[0], len(values)) == (0.55, 50)
    assert 'href="?page=1&amp;kind=split&amp;above=0.6">Page before</a>' in second.text
    assert "Next page" not in second.text  # 0.6 and more are hidden


def test_doubtful_births_and_deaths_are_counted_everywhere(as_alice, story, run):
    assert f'/runs/{run.pk}/events/?state=pending">8</a>' in as_alice.get("/").text
    assert "8 events to review, 8 to judge" in as_alice.get(run.get_absolute_url()).text
    assert "0 of 8 judged" in as_alice.get(f"/runs/{run.pk}/events/?above=0.5&kind=gap").text


# -- What might have been instead ------------------------------------------------------------------


@pytest.fixture
def alternatives(run, event) -> list[Alternative]:
    """Two that compete with the merger, dearer first, and two that only share its pores or nothing with it."""
    run.alternatives.all().delete()
    parent, child = event.parents.first(), event.children.get()
    features = Feature.objects.filter(segmentation__run=run)
    before = features.filter(segmentation__index=0).first()
    after = features.filter(segmentation__index=10).first()

    def made(earlier: Feature, later: Feature, cost: float) -> Alternative:
        return Alternative.objects.create(
            run=run, earlier=earlier, later=later, cost=cost, overlap=0.25, distance_mm=1.5, skipped=4, probability=0.03
        )

    return [made(parent, after, 4.5), made(before, child, 3.25), made(child, after, 1.0), made(before, after, 0.5)]


def test_the_page_ranks_what_competes_with_the_event(as_alice, event, alternatives):
    page = as_alice.get(event.get_absolute_url())
    assert page.context["alternatives"] == [alternatives[1], alternatives[0]]
    table = page.text[page.text.index('<h2 id="alternatives">') : page.text.index('id="history"')]
    assert re.findall(r'<td class="number">([34]\.\d+)</td>', table) == ["3.250", "4.500"]
    cells = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", table)
    for words in ("0.030", "0.25", "1.50", f"frame {event.index + 1}", "frame 11"):
        assert words in cells


def test_the_page_says_why(as_alice, event):
    Event.objects.filter(pk=event.pk).update(
        probability=0.875, runner_up="track 2 disappears", runner_up_probability=0.0625, margin=1.5,
        reasons="two parents, 0.97 and 0.90; area in minus out 3 %",
    )  # fmt: skip
    event.run.links.update(probability=0.96875)
    event.run.alternatives.all().delete()
    page = as_alice.get(event.get_absolute_url()).text
    assert ">Two parents, 0.97 and 0.90; area in minus out 3 %.</p>" in page
    words = " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", page).split())
    assert "Probability 0.88" in words
    assert "Runner-up track 2 disappears, probability 0.062" in words
    assert "Margin of cost to the runner-up +1.50" in words
    links = page[page.index('<h2 id="links">') : page.index('<h2 id="alternatives">')]
    assert links.count(">0.969<") == links.count("<tr><td>") == 2
    assert "no other link of these pores is likely enough to be weighed" in page


def test_without_a_runner_up_none_is_named(as_alice, event):
    Event.objects.filter(pk=event.pk).update(probability=0.875, runner_up="", runner_up_probability=0.0, margin=None)
    page = as_alice.get(event.get_absolute_url()).text
    assert "Runner-up" not in page
    assert "Margin" not in page


def test_more_alternatives_cost_no_more_queries(as_alice, run, event, alternatives):
    def n_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_alice.get(f"{event.get_absolute_url()}?above=0.95").status_code == 200
        return len(queries)

    n_queries()  # the first look also takes the lease
    before = n_queries()
    known = {(link.earlier_id, link.later_id) for link in alternatives}
    later = Feature.objects.filter(segmentation__run=run, segmentation__index__gt=event.index)
    more = [(parent.pk, feature.pk) for parent in event.parents.all() for feature in later]
    Alternative.objects.bulk_create(
        Alternative(run=run, earlier_id=pair[0], later_id=pair[1], cost=5, overlap=0, distance_mm=1)
        for pair in more if pair not in known
    )  # fmt: skip
    assert n_queries() == before


# -- Numbers and addresses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "not known"), (0.0, "< 0.001"), (0.0312, "0.031"), (0.1, "0.10"), (0.555, "0.56"), (0.9, "0.90"),
     (0.9012, "0.901"), (0.9994, "0.999"), (0.9996, "> 0.999"), (1.0, "> 0.999")],
)  # fmt: skip
def test_digits(value, words):
    assert digits(value) == words


@given(st.floats(0, 1))
def test_a_probability_is_shown_to_half_a_digit(value):
    shown = float(digits(value).lstrip("<> "))
    assert abs(shown - value) <= (0.0051 if 0.1 <= value <= 0.9 else 0.0011)
    assert abs(float(probability(value)["width"]) - 40 * value) < 0.06


@pytest.mark.parametrize(("value", "words"), [(-4.99351, "−4.994"), (1.5, "1.500")])
def test_a_cost_below_zero_has_a_minus_sign(value, words):
    assert minus(value, 3) == words


@pytest.mark.parametrize(("value", "words"), [(None, "–"), (1.234, "+1.23"), (-0.5, "−0.50"), (0.0, "+0.00")])
def test_signed(value, words):
    assert signed(value) == words


shares = st.none() | st.integers(0, 1000).map(lambda value: value / 1000)
queues = st.builds(
    Queue,
    kind=st.sampled_from(["", *EVENT_KINDS]),
    state=st.sampled_from(["", *STATES]),
    order=st.sampled_from(list(ORDERS)),
    above=st.none() | st.integers(500, 1000).map(lambda value: value / 1000),
    over=shares,
    mu_from=shares,
    mu_to=shares,
    area_from=shares,
    area_to=shares,
    jump=shares,
    frame=st.none() | st.integers(1, 10_000),
    who=st.text("abc.@+-_ é&=?#", max_size=20),
    wait=st.sampled_from(["", "me"]),
    stale=st.sampled_from(["", "1"]),
    scope=st.sampled_from(["", "all"]),
    patch=st.none() | st.integers(1, 10_000),
    run=st.none() | st.integers(1, 10_000),
)


@pytest.mark.parametrize("wrong", ["", "x", "0.49", "1.1", "nan", "inf", "-1", "0,9"])
def test_a_threshold_that_makes_no_sense_is_none(wrong):
    assert Queue.of(QueryDict(f"above={wrong}")) == Queue()


@given(queues)
def test_an_address_asks_for_what_it_was_made_of(queue):
    assert Queue.of(QueryDict(queue.query().lstrip("?"))) == queue
