"""Reading a real segment (Br of HARP 377, RICE, 377 x 744), against astropy in the same run; the ratio counts."""

import hashlib
import io

import pytest
from astropy.io import fits

from processing.fits import read_cards, read_key, read_segment
from tests.real_data import needs_real_data, paths_of

GROUP = "read a RICE segment, 377 x 744"


@pytest.fixture(scope="module")
def file() -> tuple[bytes, str]:
    (path,) = (path for path in paths_of("377.20110215_020000") if ".Br." in path.name)
    return path.read_bytes(), path.name


@needs_real_data
@pytest.mark.benchmark(group=GROUP)
def test_read_segment(benchmark, file):
    """Image, cards and hash."""
    benchmark(read_segment, *file)


@needs_real_data
@pytest.mark.benchmark(group=GROUP)
def test_astropy_alone(benchmark, file):
    """The least that astropy does for the image."""

    def read() -> float:
        with fits.open(io.BytesIO(file[0]), memmap=False) as hdus:
            return hdus[1].data[0, 0]

    benchmark(read)


@needs_real_data
@pytest.mark.benchmark(group=GROUP)
def test_hash_alone(benchmark, file):
    benchmark(lambda: hashlib.sha256(file[0]).hexdigest())


@needs_real_data
@pytest.mark.benchmark(group=GROUP)
def test_read_cards(benchmark, file):
    benchmark(read_cards, *file)


@needs_real_data
@pytest.mark.benchmark(group=GROUP)
def test_read_key(benchmark, file):
    """What sorting a folder needs."""
    benchmark(read_key, *file)
