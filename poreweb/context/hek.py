"""The way to HEK, the Heliophysics Events Knowledgebase."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from astropy.table import Table
from sunpy.net import attrs
from sunpy.net.hek import HEKClient
from sunpy.net.hek import attrs as hek

from poreweb.acquire.fetch import FetchError

KINDS = hek.FL | hek.EF | hek.SS


class HekRows(HEKClient):
    """
    sunpy's client, for the rows as HEK sent them.

    sunpy makes coordinates and quantities of whole columns, and loses all events when one row
    has a unit that it cannot turn into another's; of the hundred columns a dozen are needed.
    """

    def rows(self, begin: datetime, end: datetime) -> list[dict[str, Any]]:
        """
        Every flare, emerging flux and sunspot that HEK lists between two UTC moments, all over the Sun.

        Raises
        ------
        FetchError
            If the answer is no list of events. What `urllib` raises passes through, to be
            told apart by `poreweb.acquire.fetch.guarded`.
        """
        self._rows: list[dict[str, Any]] = []
        try:
            self.search(attrs.Time(begin, end), KINDS)
        except (KeyError, TypeError, AttributeError) as problem:
            raise FetchError("HEK answered with something that is no list of events") from problem
        return self._rows

    def _download(self, data: Mapping[str, Any]) -> Table:
        table = super()._download(data)
        self._rows += [dict(zip(table.colnames, row, strict=True)) for row in table.iterrows()]
        return Table()  # nothing is left for sunpy to interpret
