"""The way to the Hugging Face hub: through which proxy it leads, and what its client raises where it leads nowhere."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def without_secret(proxy: str) -> str:
    """A proxy's address without the user and the password that it may hold."""
    scheme, mark, _ = proxy.rpartition("@")[0].partition("://")
    return f"{scheme}{mark}{proxy.rpartition('@')[2]}" if mark else proxy.rpartition("@")[2]


def through() -> str:
    """ " through the proxy http://host:8080" where the hub is asked through one; else empty."""
    from huggingface_hub.constants import ENDPOINT

    hub, known = urlsplit(ENDPOINT), getproxies()
    found = known.get(hub.scheme) or known.get("all")
    return "" if not found or proxy_bypass(hub.hostname or "") else f" through the proxy {without_secret(found)}"


def obstacle() -> str:
    """Why the hub cannot even be asked; empty where it can. What may be a proxy, only its client knows."""
    from huggingface_hub import get_session

    try:
        get_session()
    except Exception as error:  # ImportError where SOCKS needs a package, ValueError, or the HTTP library's own
        why = str(error) if isinstance(error, ImportError) else type(error).__name__  # others may hold the password
        return (
            f"the hub cannot be asked: the proxies in HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are not to be used ({why})"
        )
    return ""


def faults() -> tuple[type[Exception], ...]:
    """What the client raises where the network fails: of whichever library it speaks through, requests or httpx."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return OSError, HTTPError
