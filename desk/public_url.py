"""DESK_PUBLIC_URL: the address at which people and Meta reach Desk. Pure; make serve and the settings ask here."""

from urllib.parse import urlsplit

import idna

EXAMPLE = "such as https://desk.example.com"


def normalise(url: str) -> str:
    """Return the address as browsers send it: host in lower case and in ASCII, no slash at the end.

    Raises ValueError with a sentence for an address that cannot work: Desk needs a host of its own, because all its
    links begin at the root.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"DESK_PUBLIC_URL is {url!r}, which is not a valid address. Write one {EXAMPLE}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"DESK_PUBLIC_URL is {url!r}; it must be a full address {EXAMPLE}")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"DESK_PUBLIC_URL is {url!r}. Desk needs a host of its own and cannot run below a path: use a subdomain "
            f"{EXAMPLE}, without path, query or user name"
        )
    name = f"[{host}]" if ":" in host else _ascii(host, url)
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def _ascii(host: str, url: str) -> str:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"DESK_PUBLIC_URL is {url!r}, and its host name is not valid: {error}.") from None
