"""Faults on order: a queue of what goes wrong, for which kind of address, how often and how likely."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

# The kinds of address, as the log names them too.
PLACES = ("series", "info", "email", "request", "status", "file", "tar", "index", "noaa", "hek")
# What can happen to any answer on its way.
ON_THE_WAY = (
    "500", "503", "slow", "drip", "drop", "truncated", "wrong size", "garbled", "html", "redirect", "no ranges",
    "not found",
)  # fmt: skip
# What JSOC itself says or does, and where it can.
OF_JSOC: dict[str, tuple[str, ...]] = {
    "stuck": ("request",),
    "stale": ("request",),
    "failed": ("request",),
    "limit": ("request",),
    "busy": ("request",),
    "duplicate": ("request",),
    "duplicate error": ("request",),
    "missing segment": ("request",),
    "unregistered": ("email", "request"),
    "lost": ("status",),
    "expired": ("status",),
}


@dataclass
class Fault:
    """
    One thing to go wrong.

    ``times`` says how often (None: always), after the first ``skip`` requests that it would
    meet have passed; ``probability`` how likely each time; ``match`` what the address must
    hold. ``seconds`` is the delay of a slow answer, how long another's export keeps one busy
    and how long a request stays lost. ``after`` lets the server do what was asked and spoils
    only the answer. The rest belongs to single kinds, see the README.
    """

    kind: str
    where: str
    times: int | None = 1
    probability: float = 1.0
    skip: int = 0
    match: str = ""
    seconds: float | None = None
    after: bool = False
    url: str = ""
    share: float = 0.6
    bytes_per_s: float = 2000.0
    retry_after: int | None = None
    records: int | None = None
    mb: float | None = None
    segment: str = ""

    def __post_init__(self) -> None:
        if self.where not in PLACES:
            raise ValueError(f"where must be one of {', '.join(PLACES)}, not {self.where!r}")
        places = PLACES if self.kind in ON_THE_WAY else OF_JSOC.get(self.kind)
        if places is None:
            raise ValueError(f"kind must be one of {', '.join((*ON_THE_WAY, *OF_JSOC))}, not {self.kind!r}")
        if self.where not in places:
            raise ValueError(f"{self.kind!r} happens at {' or '.join(places)}, not at {self.where!r}")


class Faults:
    """
    The queue. The first fault that fits a request is taken, and leaves the queue when it has happened often enough.

    ``seed`` fixes what happens by chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self._lock = threading.Lock()
        self._queue: list[Fault] = []

    def add(self, kind: str, where: str, **options: Any) -> Fault:
        """Order one; the options are the fields of `Fault`."""
        fault = Fault(kind, where, **options)
        with self._lock:
            self._queue.append(fault)
        return fault

    def add_all(self, orders: Any) -> int:
        """Those of a JSON list of objects, or of one object; returns how many. ValueError tells what is wrong."""
        known = {field.name for field in fields(Fault)}
        orders = orders if isinstance(orders, list) else [orders]
        for order in orders:
            if not isinstance(order, Mapping) or not {"kind", "where"} <= set(order) or set(order) - known:
                raise ValueError(f"a fault has kind, where and some of {', '.join(sorted(known))}, not {order!r}")
        faults = [Fault(**order) for order in orders]
        with self._lock:
            self._queue += faults
        return len(faults)

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()

    def left(self) -> list[dict[str, Any]]:
        """What is still in the queue, as JSON takes it."""
        with self._lock:
            return [asdict(fault) for fault in self._queue]

    def take(
        self, where: str, *kinds: str, address: str = "", when: Callable[[Fault], bool] = lambda fault: True
    ) -> Fault | None:
        """The first that is due there, of those kinds, under that condition; one that passes by chance stays."""
        with self._lock:
            for fault in self._queue:
                if fault.where != where or fault.kind not in kinds or fault.match not in address or not when(fault):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.probability < 1 and self.rng.random() >= fault.probability:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._queue.remove(fault)
                return fault
        return None
