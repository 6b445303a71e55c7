"""The page that compares two runs of a patch and carries verdicts over: who may, and who learns what."""

import re
from html import unescape

import pytest
from django.urls import reverse

from poreweb.consensus.actions import set_gold
from poreweb.review import actions
from poreweb.review.carry import carry, default_source
from poreweb.review.judgement import Judgement
from poreweb.review.models import Standing, Verdict
from poreweb.tracks.models import Event, Run
from tests.poreweb import rerunning
from tests.poreweb.rerunning import ACCEPT, REJECT, there

pytestmark = pytest.mark.usefixtures("no_files")
first_gap, last_gap = rerunning.first_gap, rerunning.last_gap
other, twin = rerunning.other, rerunning.twin


@pytest.fixture
def url(other) -> str:
    return reverse("review:carry", args=[other.pk])


def text(response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def test_the_page_shows_the_difference_and_a_lead_carries_it_over(
    sign_in, run, other, url, event, first_gap, last_gap, alice, bob
):
    actions.give_verdict(event, bob, ACCEPT)
    actions.give_verdict(last_gap, alice, REJECT)
    actions.give_verdict(first_gap, alice, ACCEPT)
    there(event, other).parents.first().delete()
    there(last_gap, other).delete()
    lead = sign_in("lena")
    said = text(lead.get(url))
    assert (
        "Of the 3 events judged in run 1 , 1 is the same in run 2, of the same pores; 1 has changed; 1 is gone." in said
    )
    assert "1 verdict, of 1 person on 1 event, are given again here" in said
    assert "1 changed event is flagged" in said
    assert "changed : one parent of 2 is not there" in said
    assert "are settled to be not linked, and are." in said
    for one in (event, last_gap, first_gap, there(event, other), there(first_gap, other)):
        assert f'href="{one.get_absolute_url()}"' in lead.get(url).text
    assert not Verdict.objects.filter(event__run=other).exists()  # a look changes nothing

    response = lead.post(url, {"from": run.pk}, follow=True)
    assert response.redirect_chain == [(f"{url}?from={run.pk}", 302)]
    assert "What 1 person said of 1 event of run 1 is carried over." in text(response)
    assert "Nothing: all that can be carried over from run 1 has been." in text(response)
    assert Verdict.objects.get(event__run=other).event == there(first_gap, other)
    for how, n in (("same", 1), ("changed", 1), ("gone", 1), ("", 3), ("nonsense", 3)):
        assert len(lead.get(f"{url}?from={run.pk}&how={how}").context["rows"]) == n


def test_only_a_lead_carries_over(sign_in, run, other, url, event, alice, everything):
    actions.give_verdict(event, alice, ACCEPT)
    before = everything()
    for name, status in (("alice", 403), ("visitor", 403), ("mallory", 404)):
        client = sign_in(name)
        assert client.post(url, {"from": run.pk}).status_code == status
        assert client.get(url).status_code == (404 if name == "mallory" else 200)
        assert "Carry over from run 1" not in client.get(url).text
    assert everything() == before
    assert "Carry over from run 1" in sign_in("lena").get(url).text


def test_gold_events_are_told_to_leads_alone(sign_in, other, url, event, alice, lena):
    actions.give_verdict(event, alice, ACCEPT)
    set_gold(event, ACCEPT, lena)
    for name, n in (("lena", 1), ("alice", 0)):
        client = sign_in(name)
        assert api(client, other)["planned"]["gold"] == n
        assert ("1 gold event goes along" in text(client.get(url))) is bool(n)


@pytest.fixture
def judged_blindly(event, first_gap, alice, bob, team) -> None:
    """Alice has corrected two events of a blind team, Bob has accepted one of them."""
    team.quorum, team.is_blind = 2, True
    team.save()
    for one in (event, first_gap):
        actions.give_verdict(one, alice, Judgement("correct", joined=(999999,)))
    actions.give_verdict(first_gap, bob, ACCEPT)


def api(client, run, part=""):
    return client.get(f"/api/v1/runs/{run.pk}/carry/{part}").json()


def test_a_blind_reviewer_learns_nothing_of_open_events(sign_in, other, url, event, first_gap, judged_blindly):
    bob = sign_in("bob")
    said = text(bob.get(url))
    assert "Of the 1 event judged in run 1" in said
    assert "alice: corrected, bob: accepted" in said  # his own is in
    assert "Merge" not in said
    assert "Carrying over" not in said
    told = api(bob, other)
    assert (told["numbers"], told["planned"]) == ({"same": 0, "changed": 1, "gone": 0}, None)
    (fate,) = api(bob, other, "events/")["results"]
    assert (fate["event"], fate["would_carry"], fate["would_flag"]) == (first_gap.pk, None, None)
    visitor = sign_in("visitor")
    assert "No event of run 1 is settled or judged by you." in text(visitor.get(url))
    assert api(visitor, other, "events/")["results"] == []


def test_open_verdicts_are_not_told_by_a_flag_where_judging_is_blind(
    run, other, event, alice, lena, team, sign_in, url
):
    team.quorum, team.is_blind = 2, True
    team.save()
    actions.give_verdict(event, alice, REJECT)
    there(event, other).parents.first().delete()
    said = text(sign_in("lena").get(url))
    assert "1 changed event that is not settled stays behind: a flag would tell of open verdicts." in said
    carry(run, other, lena)
    assert not Standing.objects.filter(event__run=other).exists()
    team.is_blind = False
    team.save()
    carry(run, other, lena)
    words = "Run 1 had 1 verdict on this merge of 2, which did not settle it; one parent of 2 is not there."
    assert Standing.objects.get(event__run=other).stale == words


def test_nor_of_what_others_have_judged_in_the_other_run(sign_in, run, other, url, event, alice, bob, judged_blindly):
    actions.give_verdict(event, bob, Judgement("correct", joined=(999999,)))  # settled, so that everybody knows
    before = text(sign_in("visitor").get(url))
    assert "corrected" in before
    actions.give_verdict(there(event, other), alice, ACCEPT)
    assert text(sign_in("visitor").get(url)) == before


def test_a_lead_learns_which_open_events_there_are_and_no_more(sign_in, other, url, event, judged_blindly):
    lead = sign_in("lena")
    said = text(lead.get(url))
    row = said[said.index("Merge of 2") :]
    assert "Merge of 2 , frame 6 pending others' verdicts are hidden until yours is in not told same" in row
    assert "alice" not in row
    assert "fits here" not in row
    (fate,) = [one for one in api(lead, other, "events/")["results"] if one["event"] == event.pk]
    assert (fate["how"], fate["would_carry"]) == ("same", None)
    assert api(lead, other)["planned"]["verdicts"] == 0


def test_with_which_run_it_is_compared(sign_in, run, twin, team, everything):
    lead, alone = sign_in("lena"), reverse("review:carry", args=[run.pk])
    assert "has no other run that is done" in lead.get(alone).text
    assert "has no other run that is done" in text(lead.post(alone, follow=True))
    second, third = twin(), twin()
    assert default_source(run) == third
    assert default_source(third) == run  # its parent
    Run.objects.filter(pk=third.pk).update(settled_from=second)
    assert default_source(Run.objects.get(pk=third.pk)) == second
    Run.objects.filter(pk=second.pk).update(state="failed")
    assert default_source(Run.objects.get(pk=third.pk)) == run
    url = reverse("review:carry", args=[third.pk])
    far = Run.objects.create(patch=team.patches.create(harpnum=5), number=1, state="done")
    before = everything()
    for asked in (far.pk, third.pk, 10**30, "x", "-1"):
        assert lead.get(url, {"from": asked}).status_code == 404
        assert lead.post(url, {"from": asked}).status_code == 404
    assert everything() == before
    assert "Nobody has judged anything in run 1" in lead.get(url, {"from": run.pk}).text
    Run.objects.filter(pk=third.pk).update(state="running")
    assert "is running; it can be compared when it is done." in lead.get(url).text
    assert "is running; it can be compared when it is done." in lead.post(url, {"from": run.pk}, follow=True).text


def test_the_run_s_page_leads_there(sign_in, run, twin):
    assert "Compare with" not in sign_in("lena").get(run.get_absolute_url()).text
    other = twin()
    for name, words in (("lena", "Compare with run 1 / carry verdicts over"), ("visitor", "Compare with run 1<")):
        page = sign_in(name).get(other.get_absolute_url()).text
        assert words in page
        assert reverse("review:carry", args=[other.pk]) in page


def test_a_long_list_has_pages(sign_in, run, twin, alice):
    merger = run.events.get(kind="merge")
    for _ in range(60):
        more = Event.objects.create(run=run, kind="merge", index=merger.index)
        more.parents.set(merger.parents.all())
        more.children.set(merger.children.all())
    actions.give_verdicts(run.events.select_related("run__patch__team"), alice, ACCEPT)
    url = reverse("review:carry", args=[twin().pk])
    client = sign_in("lena")
    assert len(client.get(url).context["rows"]) == 50
    assert "page=2" in client.get(url).text
    assert len(client.get(f"{url}?page=2").context["rows"]) == 13
