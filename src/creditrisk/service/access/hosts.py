"""What keeps pages of the web out of a service that runs without keys.

Whoever reaches it is let in, and a browser on this machine reaches it for any page: a page may give its own name the
address 127.0.0.1 (DNS rebinding), and may send a form to every address. A browser tells both in headers that no page
can write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from creditrisk.service.problem import Problem
from creditrisk.service.settings import is_loopback

READING = ("GET", "HEAD")
_FORM = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(:[0-9]*)?")
_SHOWN = 80


@lru_cache(256)
def is_here(host: bytes) -> bool:
    """Whether a Host header names this machine by localhost or a loopback address, with any port."""
    match = _FORM.fullmatch(host.decode("latin-1").lower())
    return match is not None and is_loopback(match[1].strip("[]"))


def elsewhere(host: bytes) -> Problem:
    """421: the request was sent to another name."""
    name = host[:_SHOWN].decode("latin-1")
    detail = (
        f"This service runs without keys and is called by localhost or a loopback address alone, not by {name!r}. "
        "Call it so, or make a key with main.py keys create --scope score --name NAME."
    )
    return Problem(421, "not-by-this-name", detail)


def check_page(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Let a program, or a page of the service's own, in.

    Raises:
        Problem: 421 where the host is called by another name, 403 where another site's page would write.
    """
    host = headers.get(b"host")
    if host and not is_here(host):
        raise elsewhere(host)
    if method not in READING and _foreign(host, headers.get(b"origin"), headers.get(b"sec-fetch-site")):
        detail = (
            "A page of another site sent this, and the service runs without keys. Send it with a program, or make a "
            "key with main.py keys create --scope score --name NAME."
        )
        raise Problem(403, "cross-site", detail)


def _foreign(host: bytes | None, origin: bytes | None, site: bytes | None) -> bool:
    """Whether a browser says that a request comes from another site's page; older ones send the origin alone."""
    if site is not None:
        return site not in (b"same-origin", b"none")
    return origin is not None and origin.lower().partition(b"://")[2] != (host or b"").lower()
