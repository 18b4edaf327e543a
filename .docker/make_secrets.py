"""Makes the secrets of compose.yaml, each in a file that only its reader can open.

    docker compose run --rm secrets

It makes what is missing and changes nothing that is there. Compose mounts the files as they are, so
the ids in the images, which are those of PostgreSQL's (999) and of ours (10001), are their owners.
"""

import os
import secrets
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
ROOT, POSTGRES, FUNNEL = 0, 999, 10001
ROLES = ("funnel_writer", "funnel_analyst")


def main() -> None:
    """Write the files that are missing, and say which."""
    made = [_write(name, text, owner) for name, text, owner in _single()]
    made += _passwords_of_the_roles()
    names = ", ".join(name for name in made if name)
    print(f"Made: {names}." if names else "All secrets are there; nothing was changed.")


def _single() -> list[tuple[str, str, int]]:
    return [
        ("postgres_password", secrets.token_urlsafe(32), ROOT),
        ("funnel_masking_key", secrets.token_hex(32), FUNNEL),
        ("jupyter_token", secrets.token_urlsafe(32), FUNNEL),
    ]


def _passwords_of_the_roles() -> list[str]:
    """A password is in two files, for the server and for who logs in: both are made, or none."""
    server = FOLDER / "passwords.sql"
    files = [server, *(FOLDER / f"{role}.pgpass" for role in ROLES)]
    there = [file.name for file in files if file.exists()]
    if len(there) == len(files):
        return []
    if there:
        sys.exit(f"{', '.join(there)} without the others: restore them, or delete these.")
    passwords = {role: secrets.token_urlsafe(32) for role in ROLES}
    made = [_write(f"{role}.pgpass", f"*:*:*:{role}:{passwords[role]}", FUNNEL) for role in ROLES]
    statements = [f"ALTER ROLE {role} PASSWORD '{passwords[role]}';" for role in ROLES]
    return [*made, _write(server.name, "\n".join(statements), POSTGRES)]


def _write(name: str, text: str, owner: int) -> str:
    """Write a file that is not there yet; gives its name, or nothing if it is there."""
    file = FOLDER / name
    if file.exists():
        return ""
    fresh = FOLDER / f".{name}.{os.getpid()}"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with open(handle, "w") as stream:
        stream.write(text)  # and no end of line, which JupyterLab would take for part of the token
    if os.geteuid() == ROOT:
        os.chown(fresh, owner, owner)
    fresh.rename(file)
    return name


if __name__ == "__main__":
    main()
