"""A whole run as the flow does it, without Prefect and the report."""

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.ingest import ingest
from flows.making import begin, make
from flows.records.dictionary import document
from flows.records.record import record
from flows.run import Run
from flows.settings import load_settings
from flows.warehouse import Warehouse
from flows.warehouse.export import opened_export
from flows.warehouse.fingerprint import fingerprint
from transforms.graph import Model
from transforms.sources import RAW_TABLES

KEY = b"a key for the tests, not a secret"
AS_OF_IS_FOUND_IN = ("stg_deal_changes", "stg_activities", "stg_deals")


def publish_run(
    warehouse: Warehouse,
    source: Path | str,
    timezone: str = "UTC",
    as_of: datetime | None = None,
    run_id: str = "test",
    *,
    incremental: bool = False,
    full_refresh: bool = False,
    forgotten: Collection[int] = (),
    only: Collection[str] = (),
) -> Run:
    """Every table of the export into the warehouse, checked, recorded and published.

    `only`: these models, with those that they need; a test that looks at few has a shorter run.
    """
    settings = load_settings(
        source=str(source), timezone=timezone, as_of=as_of, incremental=incremental
    )
    with (
        opened_export(
            str(source), KEY, is_partial=settings.is_partial(full_refresh=full_refresh)
        ) as export,
        TemporaryDirectory() as folder,
        warehouse.held(),
        warehouse.run(),
    ):
        run = Run(run_id, settings, warehouse, export)
        if only:
            run.models = _needed(run.models, {*only, *AS_OF_IS_FOUND_IN})
        begin(run, KEY, forgotten, full_refresh=full_refresh)
        with warehouse.masking(KEY):
            for source in RAW_TABLES.values():
                ingest(run, source, Path(folder))
        for name in run.models:
            make(run, name)
            run.ask_checks()
        for model in run.models.values():
            run.checks += run.asked[model.name]()
        record(run, "published", fingerprint(landed.file for landed in run.landed.values()))
        document(run, "published")
        warehouse.publish()
    return run


def _needed(models: Mapping[str, Model], asked: set[str]) -> dict[str, Model]:
    """These models, what they are made of, and what they are checked against."""
    needed: set[str] = set()
    while asked:
        name = asked.pop()
        if name in models and name not in needed:
            needed.add(name)
            asked |= {*models[name].upstream}
            asked |= {table for check in models[name].checks for table in check.needs}
    return {name: model for name, model in models.items() if name in needed}
