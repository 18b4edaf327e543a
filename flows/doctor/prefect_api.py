"""The Prefect server that a run would report to, and the secrets that it keeps."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from packaging.version import Version

from flows import server as servers
from flows.doctor.finding import Told, ok, problem, warning
from flows.settings import Settings
from flows.warehouse.address import shown

PATIENCE_SECONDS = 3
REFUSALS = (401, 403)
NONE_IS_NAMED = "no server is named; a run starts one for itself"
START_IT = (
    "start it (prefect server start), or unset PREFECT_API_URL, and a run starts one for itself"
)


@cache
def prefect_home() -> Path:
    """Where Prefect keeps profiles and records, before `api_url` hides that for a moment."""
    return servers.prefect_home()


def api_url() -> str | None:
    """The API of the server that is named, by a variable or a profile; None if none is."""
    if servers.no_server_is_named():
        return None
    is_there, home = prefect_home().exists(), os.environ.get("PREFECT_HOME")
    if not is_there:
        # Importing Prefect makes that folder. There is no profile in it.
        os.environ["PREFECT_HOME"] = os.sep
    try:
        from prefect.settings import PREFECT_API_URL

        return PREFECT_API_URL.value() or None
    finally:
        if home is not None:
            os.environ["PREFECT_HOME"] = home
        else:
            os.environ.pop("PREFECT_HOME", None)


def server(_: Settings) -> Iterator[Told]:
    """The server: does it answer, let us in, and fit this version of Prefect."""
    url = api_url()
    if url is None:
        yield ok(NONE_IS_NAMED)
        return
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    name = shown(url)
    with get_client(httpx_settings={"timeout": PATIENCE_SECONDS}, sync_client=True) as client:
        if client.api_healthcheck() is not None:
            yield problem(f"{name}: the Prefect server does not answer", START_IT)
            return
        ours = client.client_version()
        try:
            theirs = Version(client.api_version())
        except PrefectHTTPStatusError as error:
            code = error.response.status_code
            if code in REFUSALS:
                fix = "see PREFECT_API_KEY and PREFECT_API_AUTH_STRING"
                yield problem(f"{name}: the Prefect server refuses us ({code})", fix)
            else:
                fix = "see whether PREFECT_API_URL is right, and what the server logged"
                yield problem(f"{name}: the Prefect server answers with an error ({code})", fix)
            return
    fix = f"let both be Prefect {ours}, the one that is installed with this project"
    if theirs.major != Version(ours).major:
        yield problem(f"{name}: Prefect {theirs} does not fit Prefect {ours} here", fix)
    elif theirs < Version(ours):
        yield warning(f"{name}: Prefect {theirs} is older than Prefect {ours} here", fix)
    else:
        yield ok(f"{name}: Prefect {theirs}")
