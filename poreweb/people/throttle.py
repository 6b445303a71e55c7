"""Tries to sign in are counted, by name and by address, so that a password cannot be guessed."""

import hashlib
import ipaddress
import logging
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis import RedisError

logger = logging.getLogger(__name__)

MOST_TRIES = 10
WINDOW_S = 15 * 60


def take_try(name: str, address: str) -> int:
    """
    Count a try before its password is looked at, so that many at once are no way around it.

    Returns the seconds to wait, 0 when the try may go on. An empty ``address`` is not known
    and not counted. While the cache cannot be reached nobody is kept out.
    """
    try:
        for key in _keys(name, address):
            if wait := _count(key):
                return wait
    except RedisError as problem:
        logger.warning("tries to sign in are not counted: %s", problem)
    return 0


def give_back(name: str, address: str) -> None:
    """The try was a right one: forget those with this name, and do not hold it against the address."""
    by_name, *by_address = _keys(name, address)
    try:
        cache.delete_many([by_name, _until(by_name)])
        for key in by_address:
            cache.decr(key)
    except (RedisError, ValueError):  # ValueError: the count has ended meanwhile
        pass


def address_of(request: HttpRequest) -> str:
    """
    Where a request comes from: an IPv4 address, or the network of an IPv6 one; empty if not known.

    Behind a proxy it is what the proxy has added last to X-Forwarded-For; whatever stands
    before that the client may have made up.
    """
    if settings.SECURE_PROXY_SSL_HEADER:
        text = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    else:
        text = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))  # one customer has all of it
    return str(address)


def _keys(name: str, address: str) -> list[str]:
    said = [f"name {name.casefold()}", *([f"address {address}"] if address else [])]
    return [f"sign-in-{hashlib.sha256(text.encode()).hexdigest()}" for text in said]


def _until(key: str) -> str:
    return f"{key}-until"


def _count(key: str) -> int:
    """One more; the seconds until the count ends when there are too many, else 0."""
    now = int(time.time())
    cache.add(_until(key), now + WINDOW_S, WINDOW_S)
    cache.add(key, 0, WINDOW_S)
    try:
        n_tries = cache.incr(key)
    except ValueError:  # the count has ended just now
        return 0
    return max(1, int(cache.get(_until(key), now)) - now) if n_tries > MOST_TRIES else 0
