"""FITS as JSOC writes it, as people cut it short, and as it comes back from us."""

import hashlib
import io

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.checksums import check_sums
from processing.errors import FitsError, FrameError
from processing.fits import (
    OPTIONAL_SEGMENTS,
    SEGMENTS,
    PatchFrame,
    Segment,
    join_segments,
    read_cards,
    read_image,
    read_key,
    read_patch_frame,
    read_segment,
    segment_file_name,
)
from processing.timekeys import parse_t_rec
from tests.real_data import RECORDS, each_record, needs_real_data, paths_of, real_frame

T_REC = "2013.06.20_10:36:00_TAI"
T_REC_S = parse_t_rec(T_REC)
SHAPE = (40, 60)
CARDS = {
    "HARPNUM": 2875, "T_REC": T_REC, "TELESCOP": "SDO/HMI", "QUALITY": 0,
    "CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", "CUNIT1": "degree", "CUNIT2": "degree",
    "CRPIX1": 30.5, "CRPIX2": 20.5, "CRVAL1": 253.723282, "CRVAL2": 10.8939, "CDELT1": 0.03, "CDELT2": 0.03,
    "CRLN_OBS": 238.070175, "CRLT_OBS": 1.67519, "DSUN_OBS": 152031959146.69,
}  # fmt: skip
BLANK = -32768
STORED = np.random.default_rng(5).integers(-900, 900, SHAPE).astype(np.int16)
STORED[3, 4:7] = BLANK


def name_of(segment: str = "Br") -> str:
    return segment_file_name(2875, T_REC_S, segment)


def file_of(
    stored: np.ndarray = STORED,
    *,
    rice: bool = False,
    scale: float | None = 0.01,
    zero: float = 0.0,
    cards: dict[str, object] = CARDS,
) -> bytes:
    """The bytes of a file of integers with BLANK, as JSOC writes them; ``scale`` None leaves BSCALE out."""
    out = io.BytesIO()
    if rice:
        image = fits.CompImageHDU(stored, compression_type="RICE_1")
        hdus = fits.HDUList([fits.PrimaryHDU(), image])
    else:
        image = fits.PrimaryHDU(stored)
        hdus = fits.HDUList([image])
    image.header["BLANK"] = BLANK
    image.header.update(cards)
    hdus.writeto(out)
    if scale is None:
        return out.getvalue()
    # BSCALE goes in afterwards, since astropy would scale the integers back by it
    raw = io.BytesIO(out.getvalue())
    with fits.open(raw, do_not_scale_image_data=True, disable_image_compression=True) as stored_as:
        stored_as[-1].header["BSCALE"], stored_as[-1].header["BZERO"] = scale, zero
        scaled = io.BytesIO()
        stored_as.writeto(scaled)
    return scaled.getvalue()


WHOLE = {rice: file_of(rice=rice) for rice in (False, True)}


@pytest.mark.parametrize("rice", [False, True], ids=["plain", "RICE"])
@pytest.mark.parametrize(("scale", "zero"), [(0.01, 0.0), (3.0, 98_304.0), (1.0, 0.0), (None, 0.0)])
def test_integers_are_scaled_and_blank_is_nan(rice, scale, zero):
    raw = file_of(rice=rice, scale=scale, zero=zero)
    segment = read_segment(raw, name_of())
    expected = np.where(STORED == BLANK, np.nan, STORED * (scale or 1.0) + zero)
    assert segment.data.dtype == np.float32
    np.testing.assert_allclose(segment.data, expected, rtol=1e-6)


@pytest.mark.parametrize("rice", [False, True], ids=["plain", "RICE"])
@pytest.mark.parametrize("scale", [None, 1.0])
def test_a_bitmap_is_whole_numbers_with_0_for_blank(rice, scale):
    stored = np.random.default_rng(6).choice([0, 1, 2, 33, 34], SHAPE).astype(np.int16)
    stored[0] = BLANK
    segment = read_segment(file_of(stored, rice=rice, scale=scale), name_of("bitmap"))
    assert segment.data.dtype == np.uint8
    np.testing.assert_array_equal(segment.data, np.where(stored == BLANK, 0, stored))


def test_a_segment_knows_what_it_is():
    raw = file_of()
    segment = read_segment(raw, "some/folder/" + name_of("Bt"))
    assert (segment.name, segment.harpnum, segment.t_rec_s) == ("Bt", 2875, T_REC_S)
    assert segment.sha256 == hashlib.sha256(raw).hexdigest()
    assert not segment.bare
    assert CARDS.items() <= segment.cards.items()
    assert not segment.cards.keys() & {"SIMPLE", "BITPIX", "NAXIS1", "BLANK", "BSCALE", "BZERO"}


def test_a_bare_header_takes_its_key_from_the_file_name():
    segment = read_segment(file_of(cards={}), name_of("continuum"))
    assert (segment.name, segment.harpnum, segment.t_rec_s) == ("continuum", 2875, T_REC_S)
    assert segment.bare


def test_a_bare_segment_takes_its_siblings_cards():
    bare = read_segment(file_of(cards={}), name_of("continuum"))
    full = read_segment(file_of(), name_of("Br"))
    for parts in ([bare, full], [full, bare]):
        frame = join_segments(parts)
        assert set(frame.maps) == {"continuum", "Br"}
        assert frame.geometry.crval1 == CARDS["CRVAL1"]
    alone = join_segments([bare])
    assert (alone.harpnum, alone.t_rec) == (2875, T_REC)
    with pytest.raises(FrameError, match="not CEA"):
        _ = alone.geometry


@pytest.mark.parametrize("name", ["hmi.sharp_cea_720s_nrt.2875.20130620_103600_TAI.BR.fits", "renamed.Br.fits"])
def test_other_names_of_the_same(name):
    segment = read_segment(file_of(), name)
    assert (segment.name, segment.harpnum, segment.t_rec_s) == ("Br", 2875, T_REC_S)


@pytest.mark.parametrize("segment", OPTIONAL_SEGMENTS)
@pytest.mark.parametrize("name", [name_of, "renamed.{}.fits".format], ids=["JSOC", "renamed"])
def test_error_maps_are_read(segment, name):
    read = read_segment(file_of(rice=True), name(segment))
    assert read.name == segment
    assert read.data.dtype == np.float32
    assert np.isnan(read.data[3, 5])
    frame = join_segments([read_segment(file_of(), name_of("Br")), read])
    assert set(frame.maps) == {"Br", segment}


def test_error_maps_are_not_missed():
    assert not set(OPTIONAL_SEGMENTS) & set(SEGMENTS)  # what the site counts as missing


@pytest.mark.parametrize("rice", [False, True], ids=["plain", "RICE"])
@pytest.mark.parametrize("cards", [CARDS, {}], ids=["full", "bare"])
def test_the_key_and_the_cards_without_the_image(rice, cards):
    raw = file_of(rice=rice, cards=cards)
    segment = read_segment(raw, "some/folder/" + name_of("Bt"))
    assert read_key(raw, "some/folder/" + name_of("Bt")) == (2875, T_REC_S, "Bt")
    assert read_cards(raw, name_of("Bt")) == segment.cards
    assert read_cards(raw, name_of("Bt"), ("CRPIX1", "NAXIS1", "ZNAXIS1")) == {
        k: v for k, v in cards.items() if k == "CRPIX1"
    }


def test_the_key_is_read_without_decoding(monkeypatch):
    def decoded(self: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(fits.CompImageHDU, "data", property(decoded))
    monkeypatch.setattr(fits.PrimaryHDU, "data", property(decoded))
    for raw in WHOLE.values():
        assert read_key(raw, name_of()) == (2875, T_REC_S, "Br")
        with pytest.raises(FitsError, match="decoded"):
            read_segment(raw, name_of())


@pytest.mark.parametrize(
    ("name", "cards", "message"),
    [
        ("hmi.sharp_cea_720s.2875.20130620_103600_TAI.magnetogram.fits", CARDS, "names no segment"),
        ("renamed.Br.fits.gz", CARDS, "names no segment"),
        ("image.fits", CARDS, "names no segment"),
        ("renamed.Br.fits", {}, "neither HARPNUM and T_REC cards nor"),
        ("hmi.sharp_cea_720s.2875.20131320_103600_TAI.Br.fits", {}, "unreadable key"),
        ("hmi.sharp_cea_720s.0.20130620_103600_TAI.Br.fits", {}, "no HARP"),
        (name_of(), {**CARDS, "HARPNUM": "many"}, "unreadable key"),
        (name_of(), {**CARDS, "HARPNUM": -5}, "no HARP"),
        (name_of(), {**CARDS, "T_REC": "yesterday"}, "unreadable key"),
    ],
)
def test_it_refuses_what_it_cannot_place(name, cards, message):
    for read in (read_segment, read_key):
        with pytest.raises(FitsError, match=message):
            read(file_of(cards=cards), name)


def as_bytes(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    out = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a FITS file"),
        (b"T_REC HARPNUM\n2013.06.20_10:36:00_TAI 2875\n", "not a FITS file"),
        (b"SIMPLE  =", "damaged or cut short|holds no image"),
        (as_bytes(fits.PrimaryHDU()), "holds no image"),
        (
            as_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])),
            "holds no image",
        ),
        (as_bytes(fits.PrimaryHDU(np.ones((3, 4, 5)))), "3-dimensional"),
        (as_bytes(fits.PrimaryHDU(np.ones(5))), "1-dimensional"),
    ],
    ids=["empty", "text", "one word", "no data", "table", "cube", "spectrum"],
)
def test_it_refuses_other_files(raw, message):
    with pytest.raises(FitsError, match=message):
        read_segment(raw, name_of())


def test_a_claim_of_too_many_pixels_is_not_believed():
    header = fits.Header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 2, "NAXIS1": 10**6, "NAXIS2": 10**6})
    with pytest.raises(FitsError):
        read_segment(header.tostring().encode() + b"\0" * 2880, name_of())


@given(st.booleans(), st.data())
def test_a_file_cut_short_is_refused_or_whole(rice, data):
    """Only what is behind the data may be missing."""
    whole = WHOLE[rice]
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        segment = read_segment(whole[:cut], name_of())
    except FitsError:
        return
    np.testing.assert_array_equal(segment.data, read_segment(whole, name_of()).data)


@pytest.mark.parametrize("rice", [False, True], ids=["plain", "RICE"])
def test_the_sentence_names_the_file(rice):
    with pytest.raises(FitsError, match=name_of()):
        read_segment(WHOLE[rice][:4000], name_of())


@settings(max_examples=200)
@given(st.booleans(), st.data())
def test_a_damaged_file_raises_nothing_unexpected(rice, data):
    """Bytes changed anywhere, more often in the header, and perhaps the end cut off."""
    damaged = bytearray(WHOLE[rice])
    last_card = (2 if rice else 1) * 2880 - 1
    places = st.one_of(st.integers(0, last_card), st.integers(0, len(damaged) - 1))
    for offset in data.draw(st.lists(places, min_size=1, max_size=4)):
        damaged[offset] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b" '=/-.0123456789EDTFN")))
    raw = bytes(damaged[: data.draw(st.one_of(st.none(), st.integers(0, len(damaged))))])
    for read in (read_segment, read_cards, read_key):
        try:
            found = read(raw, name_of())
        except FitsError:
            continue
        if read is read_segment:
            assert found.data.ndim == 2


def segment_of(name: str = "Br", *, harpnum: int = 2875, t_rec_s: int = T_REC_S, side: int = 4) -> Segment:
    return Segment(name, harpnum, t_rec_s, np.zeros((side, side), np.float32), dict(CARDS), "", bare=False)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (segment_of("Bt", side=5), r"Bt is \(5, 5\), Br is \(4, 4\)"),
        (segment_of("Bt", harpnum=377), "different records"),
        (segment_of("Bt", t_rec_s=T_REC_S + 720), "different records"),
    ],
    ids=["shape", "HARP", "time"],
)
def test_segments_must_belong_together(other, message):
    with pytest.raises(FrameError, match=message):
        join_segments([segment_of(), other])


def test_a_frame_needs_a_segment():
    with pytest.raises(FrameError, match="at least one"):
        join_segments([])


def test_a_missing_map_is_named():
    frame = join_segments([segment_of("Br")])
    assert frame.shape == (4, 4)
    assert frame.need("Br") is frame.maps["Br"]
    with pytest.raises(FrameError, match=f"continuum is missing at {T_REC}"):
        frame.need("continuum")


@pytest.mark.parametrize(
    ("card", "quality"),
    [
        ({}, 0),
        ({"QUALITY": 0}, 0),
        ({"QUALITY": 1024}, 1024),
        ({"QUALITY": -(2**31)}, 2**31),
        ({"QUALITY": "0x400"}, 1024),
    ],
)
def test_the_quality_of_a_frame(card, quality):
    frame = PatchFrame(2875, T_REC_S, card, {"Br": np.zeros(SHAPE)})
    assert frame.quality == quality


@pytest.mark.parametrize("word", ["poor", 2**32, 1.5])
def test_a_quality_that_is_none(word):
    with pytest.raises(FrameError, match="QUALITY"):
        _ = PatchFrame(2875, T_REC_S, {"QUALITY": word}).quality


@needs_real_data
@each_record
def test_real_records_are_read(record):
    frame = real_frame(record)
    harpnum, _, moment = record.partition(".")
    assert (frame.harpnum, frame.t_rec_s) == (int(harpnum), parse_t_rec(f"{moment}_TAI"))
    assert set(frame.maps) == {path.name.split(".")[-2] for path in paths_of(record)}
    assert set(frame.maps) <= set(SEGMENTS)
    assert frame.cards["HARPNUM"] == frame.harpnum
    assert frame.geometry.cdelt1 == 0.03
    assert 40_000 < np.nanmedian(frame.need("continuum")) < 70_000
    assert all(image.shape == frame.shape for image in frame.maps.values())


ALL_FILES = [path for record in RECORDS for path in paths_of(record)]


@needs_real_data
@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.name[19:-5])
def test_real_cards_are_those_that_sunpy_takes(path):
    """As read they make sunpy fail on a bare nan; a bare header takes its siblings' cards."""
    raw = path.read_bytes()
    data, header = read_image(raw, path.name)
    cards = read_cards(raw, path.name)
    if not cards:
        assert ".7115." in path.name
        assert ".continuum." in path.name
        cards = real_frame(path.name[19:].partition("_TAI")[0]).cards
    else:
        with pytest.raises(fits.VerifyError, match="R_VALUE" if ".377." in path.name else "GWILL"):
            sunpy.map.Map(data, header)
        assert not cards.keys() & {"GWILL", "CRDER1", "CRDER2", "CSYSER1", "CSYSER2"}
        segment = read_segment(raw, path.name)
        assert segment.cards == cards
        assert read_key(raw, path.name) == (segment.harpnum, segment.t_rec_s, segment.name)
    solar = sunpy.map.Map(data, cards)
    assert solar.reference_date.isot[:10] == cards["DATE-OBS"][:10]
    assert solar.coordinate_system == ("CRLN-CEA", "CRLT-CEA")
    assert solar.wcs.wcs.crval[0] == pytest.approx(cards["CRVAL1"])


@needs_real_data
def test_the_real_bitmap():
    bitmap = real_frame("377.20110215_020000").maps["bitmap"]
    assert bitmap.dtype == np.uint8
    assert np.unique(bitmap).tolist() == [0, 1, 2, 33, 34]


@needs_real_data
def test_the_bare_real_continuum_alone_has_no_geometry():
    (path,) = (path for path in paths_of("7115.20170901_220000") if ".continuum." in path.name)
    segment = read_segment(path.read_bytes(), path.name)
    assert segment.bare
    with pytest.raises(FrameError, match="not CEA"):
        _ = read_patch_frame([path]).geometry


@needs_real_data
@pytest.mark.parametrize("segment", ["continuum", "bitmap"])
@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9, 0.97])
def test_real_files_cut_short(segment, part):
    (path,) = (path for path in paths_of("377.20110215_020000") if f".{segment}." in path.name)
    raw = path.read_bytes()
    with pytest.raises(FitsError, match=r"cut short|no image"):
        read_segment(raw[: int(part * len(raw))], path.name)


@needs_real_data
def test_the_sums_of_jsocs_files_are_right_and_tell_of_a_changed_byte():
    summed = 0
    for record in RECORDS:
        for path in paths_of(record):
            raw = path.read_bytes()
            check_sums(raw, path.name)
            if b"CHECKSUM" in raw:
                summed += 1
                changed = bytearray(raw)
                changed[-5000] ^= 3
                with pytest.raises(FitsError, match="is damaged"):
                    check_sums(bytes(changed), path.name)
    assert summed > 20
