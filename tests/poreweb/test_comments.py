"""Comments: who may say what where, whom it names, what is new to whom."""

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from poreweb.discussion import actions
from poreweb.discussion.about import About
from poreweb.discussion.models import Comment, Mention
from poreweb.discussion.problems import TalkError
from poreweb.discussion.queries import n_unread_mentions, unread_by_patch
from poreweb.discussion.text import MOST_CHARACTERS, to_html
from poreweb.people.models import Team
from poreweb.review.models import Verdict

HTMX = {"HX-Request": "true"}


@pytest.fixture
def url(patch):
    return reverse("discussion:threads", args=[patch.pk])


@pytest.fixture
def say_url(patch):
    return reverse("discussion:say", args=[patch.pk])


@pytest.fixture
def thread(patch, bob):
    return actions.say(bob, patch, "Is this one pore or two?")


def reply_url(thread: Comment) -> str:
    return reverse("discussion:reply", args=[thread.pk])


# -- Saying something ------------------------------------------------------------------------------


def test_a_thread_begins_and_is_found_at_its_address(as_alice, alice, patch, url, say_url):
    answer = as_alice.post(say_url, {"text": " first line\r\nsecond line "})
    comment = Comment.objects.get()
    assert (comment.author, comment.patch, comment.text) == (alice, patch, "first line\nsecond line")
    assert answer.url == f"{url}?thread={comment.pk}#comment-{comment.pk}"
    page = as_alice.get(answer.url).text
    assert f'id="comment-{comment.pk}"' in page
    assert "first line\nsecond line" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n ", "The comment is empty; write something."),
        ("x" * 4003, "A comment has at most 4000 characters, and this one has 4003."),
        ("a\x00b", "A comment is plain text, and this one holds characters that are none."),
    ],
    ids=["empty", "long", "control"],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_what_cannot_be_kept_is_refused_and_stays_in_the_form(as_alice, thread, say_url, text, words, headers):
    for address in (say_url, reply_url(thread)):
        answer = as_alice.post(address, {"text": text}, headers=headers)
        assert answer.status_code == 200
        assert words in answer.text
        assert text.replace("\x00", "\ufffd") in answer.text.replace("\x00", "\ufffd")
    assert Comment.objects.get() == thread


def test_a_text_of_the_greatest_length_fits_however_its_lines_end(as_alice, say_url):
    lines = "\r\n".join(["1234567"] * 500) + "1"
    as_alice.post(say_url, {"text": lines})
    assert len(Comment.objects.get().text) == MOST_CHARACTERS


def test_what_it_is_about_is_kept_with_the_frame_to_look_at(as_alice, event, run, say_url, url):
    link = run.links.select_related("later__segmentation").first()
    asked = {
        "event": ({"event": event.pk}, event.index, f"{event.kind} in frame {event.index + 1}, run 1"),
        "track": ({"track": 1, "run": run.pk}, run.tracks.get(number=1).first_index, "track 1, run 1"),
        "link": ({"link": f"{link.earlier_id},{link.later_id}"}, link.later.segmentation.index, "link from track"),
    }
    for fields, index, words in asked.values():
        as_alice.post(say_url, {"text": "look", **fields})
        comment = Comment.objects.last()
        assert (comment.run, comment.frame) == (run, run.segmentations.get(index=index).frame)
        listed = as_alice.get(url, fields, headers=HTMX).text
        assert words in listed
        assert listed.count("<article") == 1


@pytest.mark.parametrize(
    "fields", [{"event": "999"}, {"event": "x"}, {"frame": "999"}, {"track": "1"}, {"link": "1"}, {"link": "1,2,3"}]
)
def test_nothing_can_be_said_about_what_is_not_there(as_alice, run, url, say_url, fields):
    assert as_alice.post(say_url, {"text": "look", **fields}).status_code == 404
    assert as_alice.get(url, fields).status_code == 404
    assert not Comment.objects.exists()


def test_an_action_takes_nothing_of_another_patch(alice, team, run, event, frame, thread):
    other = team.patches.create(harpnum=5)
    for about in (About(event=event), About(frame=frame), About(run=run, track_number=1)):
        with pytest.raises(TalkError, match="something of HARP 5"):
            actions.say(alice, other, "look", about=about)
    with pytest.raises(TalkError, match="thread about HARP 5"):
        actions.say(alice, other, "look", thread=thread)
    link = run.links.first()
    with pytest.raises(TalkError, match="later frame"):
        actions.say(alice, run.patch, "look", about=About(earlier=link.later, later=link.earlier))


def test_a_reply_is_no_thread(alice, thread):
    reply = actions.say(alice, thread.patch, "Two.", thread=thread)
    with pytest.raises(TalkError):
        actions.say(alice, thread.patch, "Three.", thread=reply)
    with pytest.raises(TalkError):
        actions.resolve(reply, alice)


# -- Who may ---------------------------------------------------------------------------------------


def writing(thread: Comment) -> list[str]:
    names = {"say": thread.patch_id, "reply": thread.pk, "resolve": thread.pk, "edit": thread.pk}
    return [reverse(f"discussion:{name}", args=[pk]) for name, pk in names.items()]


def test_another_team_finds_nothing(sign_in, thread, url, everything):
    before = everything()
    mallory = sign_in("mallory")
    assert mallory.get(url).status_code == 404
    assert mallory.get(f"{url}?thread={thread.pk}").status_code == 404
    assert [mallory.post(address, {"text": "hello"}).status_code for address in writing(thread)] == [404] * 4
    assert everything() == before


def test_a_thread_is_not_found_under_another_patch(as_alice, team, thread):
    other = team.patches.create(harpnum=5)
    assert as_alice.get(reverse("discussion:threads", args=[other.pk]), {"thread": thread.pk}).status_code == 404


def test_a_viewer_reads_and_is_counted_but_does_not_write(sign_in, thread, visitor, url):
    client = sign_in("visitor")
    page = client.get(f"{url}?thread={thread.pk}").text
    assert "one pore or two" in page
    assert "<textarea" not in page
    assert unread_by_patch(visitor) == {}
    assert [client.post(address, {"text": "hello"}).status_code for address in writing(thread)] == [403] * 4


def test_only_the_author_changes_a_comment(as_alice, sign_in, alice, thread):
    address = reverse("discussion:edit", args=[thread.pk])
    assert as_alice.post(address, {"text": "mine now"}).status_code == 403
    with pytest.raises(PermissionDenied):
        actions.edit(thread, alice, "mine now")
    sign_in("bob").post(address, {"text": "One, I think."})
    thread.refresh_from_db()
    assert thread.text == "One, I think."
    assert thread.edited_at is not None


def test_a_refused_change_keeps_both_texts(sign_in, thread):
    answer = sign_in("bob").post(reverse("discussion:edit", args=[thread.pk]), {"text": "y" * 5000}, headers=HTMX)
    assert "at most 4000 characters" in answer.text
    assert "y" * 5000 in answer.text
    assert "one pore or two" in answer.text


def test_any_writer_resolves_and_opens_again(as_alice, alice, bob, thread, url):
    address = reverse("discussion:resolve", args=[thread.pk])
    as_alice.post(address, {"resolved": "1"})
    actions.resolve(Comment.objects.get(pk=thread.pk), bob)  # the same moment, elsewhere
    thread.refresh_from_db()
    assert thread.resolved_by == alice
    assert "No open thread" in as_alice.get(url).text
    assert "resolved by alice" in as_alice.get(f"{url}?state=resolved").text
    as_alice.post(address, {"resolved": "0"}, headers=HTMX)
    thread.refresh_from_db()
    assert (thread.resolved_by, thread.resolved_at) == (None, None)


# -- Plain text ------------------------------------------------------------------------------------


def test_markup_stays_text_everywhere(as_alice, sign_in, bob, say_url, url):
    nasty = "@bob <script>alert(1)</script> <img src=x onerror=alert(1)> \"' javascript:alert(1)"
    as_alice.post(say_url, {"text": nasty, "mark": '{"shape":"point","points":[[1,2]]}'})
    thread = Comment.objects.get()
    client = sign_in("bob")
    pages = [
        client.get(url),
        client.get(f"{url}?place=viewer", headers=HTMX),
        client.get(f"{url}?thread={thread.pk}"),
        client.get(reverse("discussion:inbox")),
        as_alice.post(say_url, {"text": nasty + "x" * 4000}),
    ]
    for page in pages:
        assert "alert(1)" in page.text
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert 'href="javascript' not in page.text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("see http://site/patches/1/?t=2013_TAI.", '<a href="{}">{}</a>.'),
        ("see http://evil.example/patches/1/", None),
        ("see http://site@evil.example/", None),
        ("see http://evil.example\\@site/", None),
        ("see http://site.evil.example/", None),
        ("see http://[site/", None),
        ("see javascript:alert(1)//http://site", '<a href="http://site">http://site</a>'),
    ],
)
def test_only_addresses_of_this_site_are_links(text, html):
    shown = to_html(text, names=[], host="site", url_of=str)
    if html is None:
        assert "<a" not in shown
    else:
        inner = "http://site/patches/1/?t=2013_TAI"
        assert html.format(inner, inner) in shown


def test_a_quotation_mark_does_not_leave_the_address():
    shown = to_html('http://site/"onmouseover="x', names=[], host="site", url_of=str)
    assert shown == '<a href="http://site/">http://site/</a>&quot;onmouseover=&quot;x'


# -- Naming members --------------------------------------------------------------------------------


def named(comment: Comment) -> set[str]:
    return set(comment.mentions.values_list("user__username", flat=True))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@bob and @lena: look", {"bob", "lena"}),
        ("(@bob)", {"bob"}),
        ("Ask @bob.", {"bob"}),
        ("@Bob's pore", {"bob"}),
        ("@bob @bob", {"bob"}),
        ("mail bob@bob.example or x@bob", set()),
        ("@bobby", set()),
        ("@mallory", set()),
        ("http://testserver/@bob", set()),
        ("@alice", set()),
    ],
)
def test_who_is_named(alice, patch, text, names):
    assert named(actions.say(alice, patch, text)) == names


def test_a_name_that_is_no_members_stays_text_and_is_told(as_alice, say_url):
    page = as_alice.post(say_url, {"text": "@bob, @mallory, @nobody: look"}, headers=HTMX).text
    assert "@mallory, @nobody are no members of Team A and were not told." in page
    assert ">@bob</a>" in page
    assert ">@mallory</a>" not in page
    told = as_alice.post(say_url, {"text": "@nobody"}, follow=True).text
    assert "@nobody is not a member of Team A and was not told." in told
    assert set(Mention.objects.values_list("user__username", flat=True)) == {"bob"}


def test_a_change_tells_those_it_names_newly(alice, patch, bob):
    comment = actions.say(alice, patch, "@bob look")
    actions.mark_read(bob, comment)
    actions.edit(comment, alice, "@bob @lena look")
    assert named(comment) == {"bob", "lena"}
    assert n_unread_mentions(bob) == 0  # he has seen it
    actions.edit(comment, alice, "@lena look")
    assert named(comment) == {"lena"}


# -- What is new -----------------------------------------------------------------------------------


def test_a_thread_is_read_by_opening_it(sign_in, alice, bob, lena, thread, url):
    actions.say(alice, thread.patch, "@lena Two.", thread=thread)
    assert unread_by_patch(bob) == {thread.patch_id: 1}
    assert unread_by_patch(lena) == {thread.patch_id: 2}
    client = sign_in("lena")
    assert "2 new" in client.get(url).text
    assert unread_by_patch(lena) == {thread.patch_id: 2}  # one line of it is not the thread
    assert client.get(reverse("discussion:counts")).json() == {"unread": 1}
    opened = client.get(f"{url}?thread={thread.pk}").text
    assert opened.count('class="comment is-new"') == 2
    assert (unread_by_patch(lena), n_unread_mentions(lena)) == ({}, 0)
    assert "is-new" not in client.get(f"{url}?thread={thread.pk}").text
    actions.say(bob, thread.patch, "Three.", thread=thread)
    assert unread_by_patch(lena) == {thread.patch_id: 1}


def test_one_reader_does_not_read_for_another(sign_in, alice, lena, thread, url):
    sign_in("alice").get(f"{url}?thread={thread.pk}")
    assert unread_by_patch(alice) == {}
    assert unread_by_patch(lena) == {thread.patch_id: 1}


def test_filters(sign_in, alice, bob, patch, thread, url):
    actions.say(alice, patch, "mine alone")
    asked = actions.say(bob, patch, "for @alice")
    client = sign_in("alice")

    def numbers(query: str) -> int:
        return client.get(f"{url}?{query}").text.count("<article")

    assert [numbers(query) for query in ("", "mine=1", "unread=1", "by=bob", "by=nobody")] == [3, 2, 2, 2, 0]
    actions.mark_read(alice, asked)
    assert numbers("unread=1") == 1
    actions.say(alice, patch, "mine too", thread=thread)
    assert numbers("mine=1") == 3


def test_the_inbox_has_what_names_me_unread_first(as_alice, alice, bob, patch):
    actions.say(bob, patch, "old for @alice")
    actions.mark_read(alice, actions.say(bob, patch, "new for @alice"))
    page = as_alice.get(reverse("discussion:inbox")).text
    assert page.index("old for") < page.index("new for")
    assert page.count("is-new") == 1
    as_alice.post(reverse("discussion:inbox"))
    assert n_unread_mentions(alice) == 0
    assert unread_by_patch(alice) == {patch.pk: 1}
    as_alice.post(reverse("discussion:inbox"), {"comments": "1"})
    assert unread_by_patch(alice) == {}


def test_who_has_left_is_told_nothing(sign_in, team, bob, alice, patch):
    actions.say(alice, patch, "@bob look")
    team.memberships.filter(user=bob).delete()
    assert n_unread_mentions(bob) == 0
    assert "look" not in sign_in("bob").get(reverse("discussion:inbox")).text


def test_the_number_in_the_head_is_a_piece_of_the_page(as_alice, alice, bob, patch):
    actions.say(bob, patch, "@alice")
    piece = as_alice.get(reverse("discussion:counts"), headers=HTMX).text
    assert "<html" not in piece
    assert ">1<" in piece


# -- Blind review ----------------------------------------------------------------------------------


def test_blind_reviewers_read_what_others_say_after_their_own_verdict(sign_in, team, alice, bob, event, url, settings):
    Team.objects.filter(pk=team.pk).update(is_blind=True)
    thread = actions.say(bob, event.run.patch, "I reject this, @alice", about=About(event=event))
    actions.say(bob, event.run.patch, "Surely.", thread=thread)
    client = sign_in("alice")
    hidden = client.get(f"{url}?event={event.pk}", headers=HTMX).text
    assert "reject" not in hidden
    assert "once your verdict is in" in hidden
    assert client.get(f"{url}?thread={thread.pk}").status_code == 404
    assert (unread_by_patch(alice), n_unread_mentions(alice)) == ({}, 0)
    Verdict.objects.create(event=event, reviewer=alice, choice="accept", given_at=thread.at)
    assert "reject" in client.get(f"{url}?event={event.pk}", headers=HTMX).text


# -- Speed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?place=viewer", "?event={event}", "?unread=1&mine=1"])
def test_queries_do_not_grow_with_the_threads(as_alice, alice, bob, event, url, query, django_assert_max_num_queries):
    address = url + query.format(event=event.pk)

    def grow(n: int) -> None:
        for _ in range(n):
            thread = actions.say(bob, event.run.patch, "@alice look", about=About(event=event))
            actions.say(alice, event.run.patch, "@bob yes", thread=thread)
            actions.say(bob, event.run.patch, "well @alice", thread=thread)

    grow(2)
    with django_assert_max_num_queries(30) as few:
        as_alice.get(address, headers=HTMX)
    grow(6)
    with django_assert_max_num_queries(len(few)):
        as_alice.get(address, headers=HTMX)
    grow(1)
    with django_assert_max_num_queries(30):
        as_alice.get(reverse("discussion:inbox"))
