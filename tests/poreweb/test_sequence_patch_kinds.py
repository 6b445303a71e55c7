"""A sequence that is no HARP through the chain: one whose places are known, a real one, and one among SHARPs."""

import numpy as np
import pytest
from astropy.io import fits

from poreweb.observations.models import Patch
from poreweb.tracks import actions as tracks
from poreweb.tracks.models import Feature
from processing.fits import write_sequence_frame
from processing.geometry import CeaGeometry, PlainGeometry
from processing.parameters import ChainParameters
from tests.poreweb.conftest import PARAMETERS
from tests.poreweb.test_sequence_patch import CARDS, keep
from tests.processing.drawing import START_S
from tests.real_data import REAL_DATA

CUBE = REAL_DATA / "sunspot_cube" / "cube_sunspot.fits"


def test_a_delivery_of_sharps_refuses_it(deliver):
    raw = write_sequence_frame(np.ones((8, 8)), t_rec_s=START_S, cards=CARDS)
    ingest = deliver(("hmi.sharp_cea_720s.7.20130620_103600_TAI.continuum.fits", raw))
    assert (ingest.n_read, ingest.n_refused, ingest.n_new) == (1, 1, 0)
    assert "is of the sequence Tenerife, 2013 June 20 / no. 3, not of a HARP" in ingest.report[0]["text"]
    assert not Patch.objects.exists()


def test_a_sequence_with_places_has_them(team, alice, queues, fits_files, no_files):
    patch = Patch.objects.create(team=team, series="", name="with places")
    (path, other) = [path for path in fits_files if "continuum" in path.name][:2]
    for k, file in enumerate((path, other)):
        header = fits.getheader(file, 1)
        cards = {card: header[card] for card in (
            "CTYPE1", "CTYPE2", "CUNIT1", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CDELT1", "CDELT2", "CRLN_OBS",
            "CRLT_OBS", "DSUN_OBS", "RSUN_REF",
        )}  # fmt: skip
        keep(patch, [START_S + 720 * k], [fits.getdata(file, 1).astype(float)], {"SEQUENCE": patch.name, **cards})
    assert type(patch.frames.first().geometry) is CeaGeometry
    assert patch.frames.first().mu_min > 0.5
    run = tracks.start_run(patch, PARAMETERS, user=alice)
    queues.work()
    features = Feature.objects.filter(segmentation__run=run)
    assert features.exists()
    assert not features.filter(lon_deg=None).exists()
    assert not features.filter(area_projected_mm2=None).exists()


@pytest.mark.skipif(not CUBE.is_file(), reason="the real sequence is not at ../shared/data/sunspot_cube")
def test_the_real_sequence_goes_through(team, alice, queues, as_alice):
    patch = Patch.objects.create(team=team, series="", name="AR 11757")
    cube = fits.getdata(CUBE)
    side = 0.504 * 0.72527
    keep(patch, [START_S + 720 * k for k in range(len(cube))], list(cube),
         {"SEQUENCE": patch.name, **PlainGeometry(side).cards(), "BUNIT": "DN/s"})  # fmt: skip
    run = tracks.start_run(patch, ChainParameters(enhance="richardson-lucy", threshold=0.66), user=alice)
    queues.work()
    run.refresh_from_db()
    assert (run.state, run.segmentations.filter(state="done").count()) == ("done", 30)
    through = run.tracks.filter(n_features=30)
    assert through.count() == 2  # the spot and the pore
    areas = sorted(np.mean(track.features.values_list("area_mm2", flat=True)) for track in through)
    assert areas == [pytest.approx(2.2, abs=0.4), pytest.approx(43, abs=2)]
    assert {export.state for export in run.exports.all()} == {"done"}
    for url in (patch.get_absolute_url(), run.get_absolute_url(), f"{patch.get_absolute_url()}viewer/?run={run.pk}",
                run.events.first().get_absolute_url(), f"/api/v1/patches/{patch.pk}/"):  # fmt: skip
        assert as_alice.get(url).status_code == 200
