"""A stand-in for JSOC and HEK on this machine, with faults on order; the README tells how to use it."""

from tests.jsoc.fits_bytes import bare
from tests.jsoc.records import Archive, Record
from tests.jsoc.server import JsocStandIn
from tests.jsoc.small import small_archive

__all__ = ["Archive", "JsocStandIn", "Record", "bare", "small_archive"]
