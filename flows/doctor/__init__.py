"""`doctor`: what would keep a run from succeeding, and what to do about it.

It writes nothing, holds nothing and reveals no secret. The checks are those of a run, made
before one; each has its own thread and little time, so that one that hangs is a finding too.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from pydantic import SecretStr

from flows.doctor.finding import Check, Finding, Status, Told, ok, warning
from flows.doctor.places import disk, export, report, source, temporary, warehouse
from flows.doctor.prefect_api import NONE_IS_NAMED, api_url, server
from flows.doctor.pseudonyms import masking_key, people
from flows.doctor.rules import funnel, models, time_zones, versions
from flows.errors import InputError, SalesFunnelError
from flows.settings import Settings, in_both_ways, usable_settings
from flows.settings.secret_blocks import secret_of
from flows.settings.unknown import unknown_variables
from flows.unforeseen import told_in_short
from flows.warehouse import open_warehouse

PATIENCE_SECONDS = 10.0

_KEY = ("masking_key", "masking_key_block", "masking_key_file")
_WAREHOUSE = ("warehouse", "warehouse_password", "warehouse_password_block")
_SOURCE = ("source", "source_password", "source_password_block")
CHECKS = (
    Check("versions", versions, "make run"),
    Check("time zones", time_zones, "python -m pip install tzdata"),
    Check("funnel", funnel, "correct transforms/funnel.toml"),
    Check("models", models, "correct the file; CONTRIBUTING.md says how a model is written"),
    Check("source", source, "see --source / FUNNEL_SOURCE, and README, Your own export", _SOURCE),
    Check(
        "warehouse",
        warehouse,
        "see --warehouse / FUNNEL_WAREHOUSE",
        (*_WAREHOUSE, "source", "incremental"),
    ),
    Check("masking key", masking_key, "see docs/settings.md, Secrets", _KEY),
    Check(
        "people",
        people,
        "see FUNNEL_FORGOTTEN_USERS_FILE",
        (*_KEY, *_WAREHOUSE, "forgotten_users_file", "incremental"),
    ),
    Check("report", report, "see --report / FUNNEL_REPORT", ("report",)),
    Check("export", export, "see --export / FUNNEL_EXPORT", ("export",)),
    Check("folders", temporary, "see PREFECT_HOME and TMPDIR"),
    Check("disk", disk, "name folders that are there", ("report", "warehouse", "source")),
    Check("Prefect", server, "see PREFECT_API_URL, and the other variables of Prefect"),
)


def examine(**given: object) -> list[Finding]:
    """What there is to say of a run with these options, in the order of `CHECKS`."""
    found, settings, wrong = _settings(given)
    checks = [check for check in CHECKS if wrong.isdisjoint(check.relies_on)]
    return found + [each for findings in _looked(checks, settings) for each in findings]


def verdict(found: Sequence[Finding]) -> Status:
    """The worst of it."""
    statuses = {each.status for each in found}
    return next((status for status in ("problem", "warning") if status in statuses), "ok")


def in_words(found: Sequence[Finding]) -> str:
    """The findings, for people: a line for each."""
    return "\n".join(
        f"{each.status:<8} {each.check:<12} {each.said}"
        + (f"{'' if each.said.endswith('?') else '.'} Fix: {each.fix}" if each.fix else "")
        for each in found
    )


def _settings(given: dict[str, object]) -> tuple[list[Finding], Settings, set[str]]:
    """What is to say of the settings, those that can be used, and the names of the others."""
    try:
        settings, wrong = usable_settings(**given)
    except InputError as error:
        found = [Finding("settings", "problem", str(error), "see docs/settings.md, Secrets")]
        return found, Settings.model_construct(), {*Settings.model_fields}
    found = [
        Finding("settings", "problem", f"{in_both_ways(name)}: {said}", "see docs/settings.md")
        for name, said in wrong.items()
    ]
    found += [
        Finding("settings", "warning", said, fix) for said, fix in unknown_variables().items()
    ]
    if not found:
        found = [Finding("settings", "ok", "all can be used; `config` shows them")]
    if not settings.blocks:
        return found, settings, {*wrong}
    values: dict[str, SecretStr] = {}
    of_blocks = Check("secrets", partial(_blocks, values), "see docs/settings.md, Secrets")
    for findings in _looked([of_blocks], settings):
        found += findings
    unread = settings.blocks.keys() - values.keys()
    return found, settings.model_copy(update=values), {*wrong, *unread}


def _blocks(values: dict[str, SecretStr], settings: Settings) -> Iterator[Told]:
    if api_url() is None:
        blocks = ", ".join(settings.blocks.values())
        yield warning(
            f"{NONE_IS_NAMED}, and looks there for {blocks}", "name the server that has the blocks"
        )
        return
    for name, block in settings.blocks.items():
        values[name] = secret_of(name, block)
        yield ok(f"the Secret block {block} is there")


def _looked(checks: Sequence[Check], settings: Settings) -> Iterator[list[Finding]]:
    """What each check finds."""
    with suppress(Exception):  # whatever it is, the check that needs it says so
        api_url()
        open_warehouse(settings.warehouse)  # both import what is slow, which is not to count
    found: dict[str, list[Finding]] = {}

    def look(check: Check) -> None:
        try:
            with told_in_short(check.name):
                found[check.name] = [Finding(check.name, *each) for each in check.look(settings)]
        except SalesFunnelError as error:
            found[check.name] = check.told(error)

    threads = [threading.Thread(target=look, args=(check,), daemon=True) for check in checks]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    for check in checks:
        late = Finding(
            check.name, "problem", f"no answer within {PATIENCE_SECONDS:.0f} s", check.fix
        )
        yield found.get(check.name, [late])
