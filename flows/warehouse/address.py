"""URLs of databases; no password in them is ever shown."""

from urllib.parse import parse_qsl

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
    if not is_postgres(url):
        return url
    place, mark, query = _without(url, *SECRETS).partition("?")
    scheme, _, rest = place.partition("://")
    host, slash, database = rest.partition("/")
    user, at, host = host.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{database}{mark}{query}"


def schema_of(url: str, default: str) -> tuple[str, str]:
    """The URL without the schema that it names (?schema=…), and that schema."""
    query = url.partition("?")[2]
    return _without(url, "schema"), dict(parse_qsl(query)).get("schema", default)


def _without(url: str, *names: str) -> str:
    """The URL without these parts of its query."""
    place, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part.partition("=")[0].lower() not in names]
    return "?".join([place, "&".join(kept)] if any(kept) else [place])
