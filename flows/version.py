"""Which code made the numbers."""

from functools import cache
from hashlib import sha256

from flows import ROOT


@cache
def code_version() -> str:
    """Hash over what decides the numbers: the models, the funnel and the flow."""
    whole = sha256()
    for folder in ("flows", "transforms"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".toml"):
                whole.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()[:12]
