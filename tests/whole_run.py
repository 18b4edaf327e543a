"""A whole run as the flow does it, without Prefect and the report."""

from collections.abc import Collection
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
from transforms.sources import RAW_TABLES

KEY = b"a key for the tests, not a secret"


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
) -> Run:
    """Every table of the export into the warehouse, checked, recorded and published."""
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
        begin(run, KEY, forgotten, full_refresh=full_refresh)
        with warehouse.masking(KEY):
            for source in RAW_TABLES.values():
                ingest(run, source, Path(folder))
        for name, model in run.models.items():
            if "as_of" in model.settings:
                run.fix_as_of()
            run.tables[name], _ = make(run, name)
            run.ask_checks()
        for model in run.models.values():
            run.checks += run.asked[model.name]()
        record(run, "published", fingerprint(landed.file for landed in run.landed.values()))
        document(run, "published")
        warehouse.publish()
    return run
