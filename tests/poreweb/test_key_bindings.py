"""The keys of the desk, as each member wants them."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from poreweb.people.keys import FIXED, KEYS, WORDS, KeyRefusedError, clashes, keys_of, read_key, shown
from poreweb.people.models import Preferences


@pytest.fixture
def url():
    return reverse("people:keys")


def test_the_usual_keys_are_keys_that_anybody_may_choose():
    assert set(WORDS) == set(KEYS)
    assert [read_key(key) for key in KEYS.values()] == list(KEYS.values())
    assert not clashes(KEYS)


def test_the_page_shows_every_act(as_alice, url):
    page = as_alice.get(url).text
    for act, key in KEYS.items():
        assert f'name="{act}" value="{key}"' in page
        assert f"<kbd>{shown(key)}</kbd>" in page


@pytest.mark.parametrize(
    ("typed", "key"),
    [("q", "q"), (" Q ", "q"), ("Shift + Q", "shift+q"), ("ä", "ä"), ("/", "/"), ("?", "?"), ("SHIFT+ö", "shift+ö")],
)
def test_a_key_is_read_as_it_is_pressed(typed, key):
    assert read_key(typed) == key


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        *((key, "stays what it is") for key in FIXED),
        ("Esc", "stay what they are"), ("tab", "stay what they are"), ("Enter", "stay what they are"),
        ("ArrowLeft", "stay what they are"), ("shift+Tab", "stay what they are"), ("space", "stay what they are"),
        ("ab", "one character"), ("shift+", "one character"), ("", "one character"), ("\x07", "one character"),
        ("shift+1", "letters alone"), ("shift+א", "letters alone"), ("shift+shift+u", "one character"),
        ("İ", "one character"),
    ],
)  # fmt: skip
def test_what_no_act_can_have_is_refused_in_one_sentence(typed, words):
    with pytest.raises(KeyRefusedError, match=words) as refused:
        read_key(typed)
    assert str(refused.value).count(". ") == 0


@given(st.text(max_size=30))
def test_any_text_is_a_key_or_refused(text):
    try:
        key = read_key(text)
    except KeyRefusedError:
        return
    assert read_key(key) == key
    assert key not in FIXED
    assert len(key.removeprefix("shift+") or key) == 1


def test_keys_are_changed_and_only_the_changes_are_kept(as_alice, alice, bob, url):
    done = as_alice.post(url, KEYS | {"accept": "Q", "redo": "shift+z"}, follow=True)
    assert "The keys are saved" in done.text
    assert keys_of(alice) == KEYS | {"accept": "q", "redo": "shift+z"}
    assert Preferences.objects.get().keys == {"accept": "q", "redo": "shift+z"}
    assert keys_of(bob) == KEYS


def test_two_acts_may_change_places(as_alice, alice, url):
    as_alice.post(url, KEYS | {"accept": KEYS["reject"], "reject": KEYS["accept"]})
    assert (keys_of(alice)["accept"], keys_of(alice)["reject"]) == ("r", "a")


def test_one_key_for_two_acts_is_refused_at_both(as_alice, alice, url):
    page = as_alice.post(url, KEYS | {"accept": "r", "note": "q"}).text
    assert "R is asked for by “Reject” too" in page
    assert "R is asked for by “Accept” too" in page
    assert 'name="note" value="q"' in page  # what was typed is kept
    assert keys_of(alice) == KEYS


@pytest.mark.parametrize("key", ["1", "escape", "+", "abc", " ", ""])
def test_a_key_that_must_stay_is_refused_at_its_field(as_alice, alice, url, key):
    page = as_alice.post(url, KEYS | {"accept": key}).text
    assert page.count('aria-invalid="true"') == 1
    assert keys_of(alice) == KEYS


def test_the_usual_keys_come_back(as_alice, alice, url):
    as_alice.post(url, KEYS | {"accept": "q"})
    as_alice.post(url, {"reset": "1", "accept": "nonsense"})
    assert keys_of(alice) == KEYS


def test_keys_are_ones_own(client, as_alice, url):
    as_alice.post(url, KEYS | {"accept": "q"})
    assert client.post(url, KEYS).status_code == 302
    assert list(Preferences.objects.values_list("user__username", flat=True)) == ["alice"]
    assert User.objects.filter(preferences__isnull=False).count() == 1
