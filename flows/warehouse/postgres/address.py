"""PostgreSQL URLs: libpq's own, of which no password is ever shown."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

SCHEMES = ("postgresql", "postgres")
SECRETS = ("password", "sslpassword")


def is_postgres(url: str) -> bool:
    """Whether it is a URL of a PostgreSQL database."""
    return url.partition("://")[0].lower() in SCHEMES and "://" in url


def has_password(url: str) -> bool:
    """Whether the URL holds a secret."""
    return is_postgres(url) and shown(url) != url


def shown(url: str) -> str:
    """The URL as it may be printed and stored: without its passwords."""
    parts = urlsplit(url)
    user, has_user, place = parts.netloc.rpartition("@")
    user = user.partition(":")[0]
    return _with(url, netloc=f"{user}{has_user}{place}", without=SECRETS)


def schema_of(url: str) -> tuple[str, str]:
    """The URL for libpq, and the schema that it names besides; public if it names none."""
    schema = dict(parse_qsl(urlsplit(url).query)).get("schema", "public")
    return _with(url, netloc=urlsplit(url).netloc, without=("schema",)), schema


def _with(url: str, netloc: str, without: tuple[str, ...]) -> str:
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in asked if name.lower() not in without]
    query = urlencode(kept, quote_via=quote, safe="/") if kept != asked else parts.query
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))
