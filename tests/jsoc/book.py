"""The export system: which requests are taken, how far each of them is, and where its files lie."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tests.jsoc.exports import (
    FIRST_SUNUM,
    MB,
    NO_FILE,
    Chosen,
    Export,
    Item,
    content,
    file_name,
    lose,
    make_tar,
    packing_files,
    packing_list,
    size_bytes,
    size_mb,
)
from tests.jsoc.faults import Fault, Faults
from tests.jsoc.problems import QueryError
from tests.jsoc.record_sets import select
from tests.jsoc.records import Archive, last_change

READY, PROCESSING, SUBMITTED, TOO_BIG, FAILED, EXPIRED, NOT_FOUND, PENDING_LIMIT = range(8)
KEEP_S = 7 * 86_400
CONTACT = "jsoc_help@jsoc.stanford.edu"
NOT_REGISTERED = "Email address is neither validated nor registered."


class Book:
    """
    All exports, and the rules by which they are taken.

    Parameters
    ----------
    archive : Archive
    faults : Faults
    delay_s : float
        How long an export takes.
    in_flight : int
        How many requests of one address may be pending.
    expires_s : float
        How long a request that never ends counts as pending.
    max_mb : float
        Largest export.
    max_records : int, optional
        Largest number of records of an export; any by default.
    registered : collection of str, optional
        The addresses that may export; all by default.
    id_suffix : str
        Put behind each request's id, such as ``_X_IN``.
    clock : callable
        Seconds, from anywhere.
    """

    def __init__(
        self,
        archive: Archive,
        faults: Faults,
        *,
        delay_s: float = 0.05,
        in_flight: int = 1,
        expires_s: float = 3600,
        max_mb: float = 100_000,
        max_records: int | None = None,
        registered: Collection[str] | None = None,
        id_suffix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.archive, self.faults = archive, faults
        self.delay_s, self.in_flight, self.expires_s = delay_s, in_flight, expires_s
        self.max_mb, self.max_records, self.registered = max_mb, max_records, registered
        self.id_suffix, self.clock = id_suffix, clock
        self.exports: dict[str, Export] = {}
        self.max_in_flight: dict[str, int] = defaultdict(int)
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # -- Addresses ---------------------------------------------------------------------------------

    def check_address(self, address: str) -> dict[str, Any]:
        """The answer of checkAddress.sh."""
        if "@" not in address.strip("@"):
            return {"status": -2, "msg": "Not a valid email address."}
        if not self._may_export(address) or self.faults.take("email", "unregistered", address=address):
            return {"status": 4, "msg": NOT_REGISTERED}
        return {"status": 2, "msg": "Email address is valid and registered."}

    def _may_export(self, address: str) -> bool:
        return self.registered is None or address in self.registered

    def pending(self, address: str) -> list[Export]:
        """The requests that keep an address from asking for more."""
        with self._lock:
            return [export for export in self.exports.values() if export.address == address and self._waits(export)]

    def _waits(self, export: Export) -> bool:
        if export.fault in ("stuck", "stale"):
            return self.clock() < export.free_at
        return self.clock() < export.ready_at

    # -- Requests ----------------------------------------------------------------------------------

    def request(self, asked: dict[str, str]) -> dict[str, Any]:
        """The answer to ``op=exp_request``."""
        address, ds = asked.get("notify", ""), asked.get("ds", "")
        refused = self._refusal_of_address(address, ds)
        if refused:
            return refused
        try:
            chosen = select(self.archive, ds, limit_of(asked))
        except QueryError as problem:
            return {"status": FAILED, "error": str(problem)}
        with self._lock:
            return (
                self._duplicate(asked, ds)
                or self._too_big(asked, ds, chosen)
                or self._quick(asked, chosen)
                or self._limit_reached(address, ds)
                or self._taken(asked, chosen, ds)
            )

    def _refusal_of_address(self, address: str, ds: str) -> dict[str, Any] | None:
        if not address or not self._may_export(address) or self.faults.take("request", "unregistered", address=ds):
            return {"status": FAILED, "error": f"Cannot process your request. {NOT_REGISTERED}"}
        return None

    def _duplicate(self, asked: dict[str, str], ds: str) -> dict[str, Any] | None:
        """What a second request for the same is told, while that fault is on order."""
        same = [export for export in self.exports.values() if is_same(export.asked, asked) and not export.expired]
        if not same:
            return None
        fault = self.faults.take("request", "duplicate", "duplicate error", address=ds)
        if fault is None:
            return None
        if fault.kind == "duplicate":
            return self._not_ready(same[-1], SUBMITTED, rcount=same[-1].n_records)
        return {"status": FAILED, "error": f"Duplicate of export request {same[-1].id}.", "contact": CONTACT}

    def _too_big(self, asked: dict[str, str], ds: str, chosen: Chosen) -> dict[str, Any] | None:
        """The refusal of a request beyond the book's limits, or beyond those of a fault on order."""
        n_records, size = len(chosen), size_bytes(chosen)

        def exceeds(fault: Fault) -> bool:
            none_set = fault.records is None and fault.mb is None
            too_many = fault.records is not None and n_records > fault.records
            return none_set or too_many or (fault.mb is not None and size > fault.mb * MB)

        usual = Fault("limit", "request", records=self.max_records, mb=self.max_mb)
        fault = usual if exceeds(usual) else self.faults.take("request", "limit", address=ds, when=exceeds)
        if fault is None:
            return None
        limit = self.max_mb if fault.mb is None else fault.mb
        return {
            "requestid": "VOID", "method": asked.get("method", "url"), "protocol": asked.get("protocol", "as-is"),
            "wait": 0, "status": TOO_BIG, "count": n_records, "size": size_mb(chosen),
            "error": f"Request exceeds max byte limit of {limit:g}MB",
        }  # fmt: skip

    def _quick(self, asked: dict[str, str], chosen: Chosen) -> dict[str, Any] | None:
        """
        The answer to url_quick and as-is: where the files lie in SUMS, at once.

        Files that do not exist are listed as well, as JSOC does. Where some are on tape it is
        an export as any other, and where all are it is refused.
        """
        if (asked.get("method"), asked.get("protocol")) != ("url_quick", "as-is"):
            return None
        on_disk = [(record, segments) for record, segments in chosen if record.is_online]
        if not any(segment in record.files for record, segments in on_disk for segment in segments):
            return {"status": FAILED, "error": "There are no files in this RecordSet"}
        if len(on_disk) < len(chosen):
            return None
        rows = [
            {"record": f"{record.name}{{{segment}}}", "filename": f"{record.folder}/{segment}.fits"}
            for record, segments in chosen
            for segment in segments
        ]
        return {
            "rcount": len(chosen), "count": len(rows), "size": size_mb(chosen), "dir": "", "data": rows,
            "requestid": "", "method": "url_quick", "protocol": "as-is", "wait": 0, "status": READY,
        }  # fmt: skip

    def _limit_reached(self, address: str, ds: str) -> dict[str, Any] | None:
        if fault := self.faults.take("request", "busy", address=ds):
            self.occupy(address, 1.0 if fault.seconds is None else fault.seconds)
        waiting = self.pending(address)
        if len(waiting) < self.in_flight:
            return None
        ids = ", ".join(export.id for export in waiting)
        return {
            "status": PENDING_LIMIT,
            "error": f"User {address} has {len(waiting)} pending export requests ({ids}); please wait until at least "
            "one request has completed before submitting a new one.",
        }

    def occupy(self, address: str, seconds: float) -> str:
        """Have an export of somebody else under the same address, which ends after so many seconds; returns its id."""
        with self._lock:
            return self._new({"notify": address, "method": "url", "protocol": "fits"}, [], seconds).id

    def _taken(self, asked: dict[str, str], chosen: Chosen, ds: str) -> dict[str, Any]:
        export = self._new(asked, chosen, self.delay_s)
        fault = self.faults.take("request", "stuck", "stale", "failed", address=ds)
        export.fault = "failed" if not export.files else fault.kind if fault else ""
        if export.fault in ("stuck", "stale"):
            wait = self.expires_s if fault is None or fault.seconds is None else fault.seconds
            export.free_at = export.since + wait
        if fault := self.faults.take("request", "missing segment", address=ds):
            for _ in range(fault.records or 1):
                lose(export, fault.segment)
        return self._not_ready(export, SUBMITTED, rcount=export.n_records)

    def _new(self, asked: dict[str, str], chosen: Chosen, delay_s: float) -> Export:
        number, now = next(self._numbers), self.clock()
        name = f"JSOC_{time.strftime('%Y%m%d', time.gmtime())}_{number:03d}{self.id_suffix}"
        items = [
            Item(record, segment, file_name(asked, record, segment) if segment in record.files else NO_FILE)
            for record, segments in chosen
            for segment in segments
        ]
        export = Export(
            name, FIRST_SUNUM + number, asked["notify"], dict(asked), items, size_mb(chosen), len(chosen), now,
            ready_at=now + delay_s,
        )  # fmt: skip
        export.files = {item.filename: item for item in items if item.filename != NO_FILE}
        self.exports[name] = export
        address = export.address
        self.max_in_flight[address] = max(self.max_in_flight[address], len(self.pending(address)))
        return export

    # -- Status ------------------------------------------------------------------------------------

    def status(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """The answer to ``op=exp_status``."""
        name = asked.get("requestid", "")
        with self._lock:
            export = self.exports.get(name)
            if export is None or self._is_lost(export):
                return {"status": NOT_FOUND, "error": f"Cant locate export request: jsoc.export[{name}]"}
            if self.faults.take("status", "expired", address=name) or self.clock() > export.ready_at + KEEP_S:
                export.expired = True
            if export.expired:
                why = "Request was completed but is now deleted, 7 day limit exceeded"
                return self._not_ready(export, EXPIRED, error=why)
            if not self._is_made(export) or export.fault == "stale":
                half = (export.since + export.ready_at) / 2
                status = SUBMITTED if export.fault in ("stuck", "stale") or self.clock() < half else PROCESSING
                return self._not_ready(export, status)
            if export.fault == "failed":
                return self._not_ready(export, FAILED, error="RecordSet specified does not exist")
            return packing_list(export)

    def _is_lost(self, export: Export) -> bool:
        fault = self.faults.take("status", "lost", address=export.id)
        if fault and fault.seconds is not None:
            export.lost_until = self.clock() + fault.seconds
        return fault is not None or self.clock() < export.lost_until

    def _is_made(self, export: Export) -> bool:
        """Whether its end has come; that of one which is stuck never does."""
        return export.fault != "stuck" and self.clock() >= export.ready_at

    def _not_ready(self, export: Export, status: int, *, rcount: int = 0, error: str | None = None) -> dict[str, Any]:
        """Anything but done. As JSOC does, ``rcount`` is 0 but in the answer to the request itself."""
        wait = max(0, round(export.ready_at - self.clock())) if status <= SUBMITTED else 999_999
        answer = {
            "status": status, "requestid": export.id, "method": export.method, "protocol": export.protocol,
            "wait": wait, "rcount": rcount, "size": export.size_mb,
        }  # fmt: skip
        if error:
            answer |= {"error": error}
        if status > SUBMITTED:
            answer |= {"contact": CONTACT}
        return answer

    def info(self, name: str) -> dict[str, str] | None:
        """What jsoc_info tells of an export; None when it does not know it."""
        with self._lock:
            export = self.exports.get(name)
            if export is None:
                return None
            pending = SUBMITTED if export.fault == "stale" or not self._is_made(export) else READY
            status = EXPIRED if export.expired else FAILED if export.fault == "failed" else pending
            return {"RequestID": name, "Status": str(status), "*recdir*": "" if export.expired else export.folder}

    # -- Files -------------------------------------------------------------------------------------

    def file(self, folder: str, name: str) -> tuple[bytes, float] | None:
        """Bytes and time of change of a file in SUMS or of a finished export; None where there is none."""
        for record in self.archive.records():
            if record.folder == folder:
                segment = name.removesuffix(".fits")
                is_there = record.is_online and segment in record.files
                return (record.read_as_is(segment), last_change(record)) if is_there else None
        with self._lock:
            export = next((export for export in self.exports.values() if export.folder == folder), None)
            if export is None or export.expired or export.fault == "failed" or not self._is_made(export):
                return None
        changed = max((last_change(item.record) for item in export.items), default=0.0)
        if name in export.files and export.tar_name is None:
            return content(export, export.files[name]), changed
        if name == export.tar_name:
            with self._lock:
                self._forget_old_tars(export)
                if name not in export.made:
                    export.made[name] = make_tar(export, changed)
                return export.made[name], changed
        made = packing_files(export).get(name)
        return None if made is None else (made, changed)

    def _forget_old_tars(self, current: Export) -> None:
        """Keep those of the last few exports in memory; the others are made again when asked for."""
        made = [export for export in self.exports.values() if export.made and export is not current]
        for export in made[:-4]:
            export.made.clear()


def limit_of(asked: Mapping[str, str]) -> int:
    """The limit on the number of records, which JSOC takes as the first of the processing steps."""
    process = asked.get("process", "") or f"n={asked.get('process=n', '')}"
    number = process.removeprefix("n=").partition("|")[0]
    return int(number) if number.lstrip("-").isdigit() else 0


def is_same(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Whether two requests ask for the same files, whoever asks."""
    return all(first.get(key) == second.get(key) for key in ("ds", "method", "protocol", "filenamefmt", "process=n"))
