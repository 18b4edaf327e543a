"""URLs of databases; no password in them is ever shown."""

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from pydantic import SecretStr

SCHEMES = ("postgresql", "postgres")
WAREHOUSES = (
    "duckdb://PATH, postgresql://USER@HOST:PORT/DATABASE or spark://HOST:PORT?catalog=FOLDER"
)
SECRETS = ("password", "sslpassword")
DUCKDB = "duckdb://"
# Of a URL, behind its scheme. What is between the user and the at sign is the password.
# Without an at sign, only digits are a port for sure.
_HOST = r"(?:\[[^\]@]*\]|[^:,@/?\[\]]*)(?::(?(at)[^,@/?]*|\d*))?"
_PARTS = re.compile(
    r"(?:(?P<user>[^:@/?]*)(?::[^/?]*)?(?P<at>@))?"
    rf"(?P<place>{_HOST}(?:,{_HOST})*(?:/[^@?]*)?(?:\?(?:\w+=[^&]*(?:&|$))*)?)"
)
# In other forms than that of a URL: host=db password=…, Server=db;Pwd=…, postgresql:/me:…@host
_KEYWORD = re.compile(r"(?:password|pwd)\s*=", re.IGNORECASE)
_NEARLY_A_URL = re.compile(r"\w+:/?[^/@]*:[^/]*@")
# Hadoop takes some characters of the name of a folder for patterns of many.
_SPARK = re.compile(r"(?P<master>spark://[^/?@]+)/?\?catalog=(?P<folder>[^*?\[\]{}\\%:]+)")


def is_postgres(url: str) -> bool:
    """Whether it is a URL of a PostgreSQL database."""
    return url.partition("://")[0].lower() in SCHEMES and "://" in url


def file_of(url: str) -> Path | None:
    """The file of duckdb://PATH, with or without ?schema=NAME; of another URL, None."""
    path = url.partition("?")[0].removeprefix(DUCKDB)
    return Path(path) if url.startswith(DUCKDB) else None


def spark_places(url: str) -> tuple[str, Path] | None:
    """The master and the folder of spark://HOST:PORT?catalog=FOLDER; of another URL, None."""
    found = _SPARK.fullmatch(url)
    return (found["master"], Path(found["folder"])) if found else None


def has_password(url: str) -> bool:
    """Whether the URL holds a secret."""
    return shown(url) != url


def mark(url: str) -> str:
    """Some characters for the name of a file of this database's own."""
    return sha256(url.encode()).hexdigest()[:12]


def shown(url: str) -> str:
    """The URL as it may be printed and stored: without its passwords.

    Of one that cannot be taken apart for sure, nothing but its scheme is shown: in
    `postgresql://me:pass/word@host`, the password looks like a port and a database.
    """
    scheme, found, rest = url.partition("://")
    if url.startswith(DUCKDB):
        return url
    if not is_postgres(url):
        if _KEYWORD.search(url) or _NEARLY_A_URL.match(url):
            return "…"
        return f"{scheme}://…" if found and "@" in rest else url
    known = _without(rest, *SECRETS)
    parts = None if _KEYWORD.search(known) else _PARTS.fullmatch(known)
    return f"{scheme}://" + (
        "".join(filter(None, parts.group("user", "at", "place"))) if parts else "…"
    )


def with_password(url: str, password: "SecretStr | None") -> str:
    """The URL of a PostgreSQL database with the password of its user; any other as it is."""
    if password is None or not is_postgres(url):
        return url
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}password={quote(password.get_secret_value(), safe='')}"


def schema_of(url: str, default: str) -> tuple[str, str]:
    """The URL without the schema that it names (?schema=…), and that schema."""
    query = url.partition("?")[2]
    return _without(url, "schema"), dict(parse_qsl(query)).get("schema", default)


def _without(url: str, *names: str) -> str:
    """The URL without these parts of its query."""
    place, _, query = url.partition("?")
    kept = [
        part for part in query.split("&") if unquote(part.partition("=")[0]).lower() not in names
    ]
    return "?".join([place, "&".join(kept)] if any(kept) else [place])
