"""Home, patch page, viewer: what they show, and that they stay as quick with more of it."""

import json
import re
from dataclasses import asdict
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from poreweb.observations.manifest import viewer_manifest
from poreweb.observations.models import Frame
from poreweb.tracks.models import Event, Feature, Segmentation


def member_of(patch):
    return patch.team.memberships.first().user


def manifest_of(page: str) -> dict:
    match = re.search(r'<script id="viewer-manifest"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_manifest_tells_of_frames(patch):
    patch.frames.all()[2].raw_files.filter(segment="Bt").delete()
    manifest = viewer_manifest(patch, None, reader=member_of(patch))
    assert manifest["patch"] == {"harpnum": 99001, "title": "HARP 99001"}
    assert (manifest["run"], manifest["events"], manifest["events_url"], manifest["gaps"]) == (None, [], None, [])
    first, frame = manifest["frames"][0], patch.frames.first()
    assert (first["id"], first["index"], first["t_rec"]) == (frame.pk, 0, "2013.06.19_00:00:00_TAI")
    assert (first["utc"], first["shape"], first["failed"]) == ("2013-06-18 23:59:25", [64, 64], "")
    assert set(first["segments"]) == {"continuum", "contrast", "Br", "Bt", "Bp", "bitmap"}
    assert "Bt" not in manifest["frames"][2]["segments"]
    assert first["geometry"] == asdict(frame.geometry)
    json.dumps(manifest)


@pytest.mark.parametrize(
    ("word", "shown", "words"),
    [
        (0, 0, []),
        (None, None, []),
        (0x00000900, 0x900, ["filtergrams of odd solar radius or centre left out", "eclipse in some filtergrams"]),
        (0x80000000 - 2**32, 0x80000000, ["no image was made"]),  # as FITS has it, with a sign
        (2**40, 2**40, ["QUALITY is 1099511627776, which is no number of 32 bits"]),
    ],
    ids=["good", "not in the header", "two bits", "signed", "no word"],
)
def test_the_manifest_tells_what_is_wrong_with_a_frame(patch, word, shown, words):
    frame = patch.frames.all()[3]
    frame.quality = word
    frame.save()
    found = viewer_manifest(patch, None, reader=member_of(patch))["frames"]
    assert (found[3]["quality"], found[3]["quality_words"]) == (shown, words)
    assert (found[2]["quality"], found[2]["quality_words"]) == (0, [])


def test_gaps_are_shown_as_gaps(patch, as_alice):
    for frame in list(patch.frames.all())[3:5]:
        frame.delete()
    t_recs = ["2013.06.19_00:36:00_TAI", "2013.06.19_00:48:00_TAI"]
    manifest = viewer_manifest(patch, None, reader=member_of(patch))
    assert manifest["gaps"] == [{"after": 2, "missing": 2, "t_recs": t_recs}]
    page = as_alice.get(patch.get_absolute_url()).text
    assert "9 / 11" in page
    assert "2 missing slots" in page
    assert all(t_rec in page for t_rec in t_recs)


def test_a_patch_seen_again_after_months_is_one_gap(patch, as_alice):
    patch.frames.create(t_rec_s=patch.frames.last().t_rec_s + 720 * 20_000, ny=64, nx=64)
    (gap,) = viewer_manifest(patch, None, reader=member_of(patch))["gaps"]
    assert (gap["missing"], len(gap["t_recs"])) == (19_999, 20)
    assert "19999 missing slots" in as_alice.get(patch.get_absolute_url()).text


def test_the_manifest_tells_of_a_run(run, patch):
    failed = run.segmentations.get(index=1)
    failed.state, failed.reason = "failed", "continuum is missing"
    failed.save()
    manifest = viewer_manifest(patch, run, reader=member_of(patch))
    assert manifest["run"] == {"id": run.pk, "number": 1, "state": "done"}
    assert {"enhanced", "labels"} <= set(manifest["frames"][0]["segments"])
    assert manifest["frames"][1]["failed"] == "continuum is missing"
    assert not {"enhanced", "labels"} & set(manifest["frames"][1]["segments"])
    assert [(item["kind"], item["frame"], item["state"]) for item in manifest["events"]] == [
        ("gap", 4, "pending"), ("merge", 5, "pending"), ("gap", 6, "pending")
    ]  # fmt: skip
    assert manifest["layer_url"].endswith(f"frames/{{id}}/{{layer}}.bin?run={run.pk}")


def test_events_stay_at_their_frame_when_frames_come_later(run, patch):
    first = patch.frames.first()
    patch.frames.create(t_rec_s=first.t_rec_s - 720, ny=64, nx=64)
    manifest = viewer_manifest(patch, run, reader=member_of(patch))
    (merge,) = [item for item in manifest["events"] if item["kind"] == "merge"]
    assert manifest["frames"][merge["frame"]]["t_rec"] == run.segmentations.get(index=5).frame.t_rec


def test_the_viewer_shows_the_latest_run_that_is_done(run, start, as_alice):
    url = f"{run.patch.get_absolute_url()}viewer/"
    newer = start()
    assert manifest_of(as_alice.get(url, follow=True).text)["run"]["number"] == 1
    assert manifest_of(as_alice.get(f"{url}?run={newer.pk}").text)["run"]["number"] == 2
    assert as_alice.get(f"{url}?run=99999").status_code == 404


def test_pages_before_any_run(patch, as_alice):
    assert manifest_of(as_alice.get(f"{patch.get_absolute_url()}viewer/").text)["run"] is None
    assert "not run" in as_alice.get("/").text
    page = as_alice.get(patch.get_absolute_url()).text
    assert "Nothing is measured yet" in page
    assert "Start the run" in page


def test_a_patch_that_holds_nothing(team, as_alice):
    patch = team.patches.create(harpnum=7)
    for url in ("/", patch.get_absolute_url(), f"{patch.get_absolute_url()}viewer/"):
        assert as_alice.get(url).status_code == 200


def test_the_patch_page_shows_curves_and_their_table(run, as_alice):
    page = as_alice.get(run.patch.get_absolute_url()).text
    match = re.search(r'<script id="timeline" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert match
    figure = json.loads(match[1])
    assert {"data", "layout"} <= set(figure)
    assert page.count("2013-06-1") >= 11
    assert "11 / 11" in page
    n_features = run.segmentations.get(index=0).n_features
    assert f'<time>2013-06-18 23:59:25</time></td><td class="number">{n_features}</td>' in page


def test_home_shows_the_patch(run, as_alice):
    page = as_alice.get("/").text
    assert "11 of 11" in page
    assert "<polyline" in page
    assert f'/runs/{run.pk}/events/?state=pending">3</a>' in page
    assert as_alice.get("/", headers={"HX-Request": "true"}).text.lstrip().startswith('<div id="patches"')


def test_home_without_a_team_says_what_to_do(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("newcomer"))
    assert "You belong to no team yet" in client.get("/").text


def test_names_are_escaped(patch, as_alice):
    patch.noaa_ars = "<script>alert(1)</script>"
    patch.save()
    for url in ("/", patch.get_absolute_url(), f"{patch.get_absolute_url()}viewer/"):
        page = as_alice.get(url).text
        assert "<script>alert" not in page
        assert "alert(1)" in unescape(page)


def grow(run, n_frames: int = 40) -> None:
    """As if the run had four times the frames, and each a merger."""
    patch, last = run.patch, run.patch.frames.last()
    frames = Frame.objects.bulk_create(
        Frame(patch=patch, t_rec_s=last.t_rec_s + 720 * k, ny=64, nx=64, cards=last.cards) for k in range(1, n_frames)
    )
    made = Segmentation.objects.bulk_create(
        Segmentation(run=run, frame=frame, index=10 + k, state="done", n_features=1)
        for k, frame in enumerate(frames, start=1)
    )
    template = Feature.objects.filter(segmentation__run=run).last()
    for item in made:
        template.pk, template.segmentation, template.label = None, item, 1
        template.save()
        event = Event.objects.create(run=run, kind="merge", index=item.index, probability=0.5 + item.index / 200)
        event.parents.set(run.events.get(kind="merge", index=5).parents.all())
        event.children.add(template)


@pytest.mark.parametrize(
    "page", ["home", "patch", "viewer", "events", "doubtful events", "event", "run", "tracks", "features"]
)
def test_more_frames_and_events_cost_no_more_queries(run, event, frame, as_alice, page):
    patch_url = run.patch.get_absolute_url()
    url = {
        "home": "/", "patch": patch_url, "viewer": f"{patch_url}viewer/?run={run.pk}",
        "events": f"/runs/{run.pk}/events/",
        "doubtful events": f"/runs/{run.pk}/events/?above=0.95&order=time",
        "event": event.get_absolute_url(), "run": run.get_absolute_url(), "tracks": f"/runs/{run.pk}/tracks/",
        "features": f"{patch_url}frames/{frame.pk}/features.json",
    }[page]  # fmt: skip

    def n_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert as_alice.get(url).status_code == 200
        return len(queries)

    run.events.update(probability=0.6)  # so that the list of doubtful ones is not empty before
    n_queries()  # the first look at an event takes its lease
    before = n_queries()
    grow(run)
    assert n_queries() == before
    assert before < (50 if page == "event" else 40)


def test_the_run_page_names_its_parameters_in_words(run, as_alice):
    run.parameters = {**run.parameters, "limb_darkening": "neckel-labs-6173", "segmentation": "stara"}
    run.save()
    page = unescape(as_alice.get(run.get_absolute_url()).text)
    table = page[page.index('<h2 id="parameters">') : page.index("<details><summary>Run again")]
    rows = {}
    for row in re.findall(r"<tr[^>]*><td>(.*?)</tr>", table):
        label, value, _, default = re.sub(r"<(?!td)[^>]*>", "", row).replace("</td>", "").split("<td", 3)
        rows[label] = (value.partition(">")[2], default.partition(">")[2])
    assert rows["Limb darkening"] == ("Neckel & Labs 1994, 6173 \u00c5", "Pierce & Slaughter 1977, 6206 \u00c5")
    assert rows["Quiet-Sun level"] == ("smoothed density", "same")
    assert rows["Sharpening"] == ("none", "network")
    assert rows["Dark patches by"] == ("STARA", "threshold")
    assert rows["Neighbours"] == ("4 (sides)", "same")
    unused = [label for label in rows if label.endswith("(not used)")]
    assert unused == ["Iterations (not used)", "Threshold (not used)"]
    assert rows["STARA depth"] == ("0.6", "same")


def test_every_law_and_choice_of_the_form_has_words(run, as_alice):
    page = as_alice.get(run.get_absolute_url()).text
    (options,) = re.findall(r'<select name="limb_darkening".*?</select>', page, re.DOTALL)
    words = [unescape(found) for found in re.findall(r">\s*([^<>]+?)\s*</option>", options)]
    assert words == [
        "Pierce & Slaughter 1977, 6206 \u00c5",
        "Pierce & Slaughter 1977, 6110 \u00c5",
        "Neckel & Labs 1994, 6110 \u00c5",
        "Neckel & Labs 1994, 6173 \u00c5",
        "Neckel & Labs 1994, 6410 \u00c5",
        "no correction",
    ]
    for name, when in (("iterations", "enhance=richardson-lucy"), ("threshold", "segmentation=threshold"),
                       ("stara_depth", "segmentation=stara")):  # fmt: skip
        (field,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', page)
        assert f'data-used-when="{when}"' in field
        select, _, choice = when.partition("=")
        (choices,) = re.findall(rf'<select name="{select}".*?</select>', page, re.DOTALL)
        assert f'value="{choice}"' in choices
