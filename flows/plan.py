"""What a run would do, without doing it: `--dry-run`."""

import secrets
from typing import Any

from flows.places import check_places
from flows.run import read_funnel
from flows.settings import Settings
from flows.warehouse.address import shown
from flows.warehouse.export import ExportTable, opened_export
from transforms.graph import load_models
from transforms.sources import SOURCES


def plan(settings: Settings, *, full_refresh: bool) -> dict[str, Any]:
    """Look at the source, and say what would be read and made of it; nothing is written.

    `full_refresh`: of an export that is whole, whatever the settings say.

    Returns:
        status, source, warehouse, report, and export, a folder or None; `tables`: of the export,
        with where each is and the columns of it that are not read; `models`: in the order in which
        they are made, each with the tables it reads.

    Raises:
        InputError: the source, the funnel, or where the results are to go is not what it must be.
    """
    read_funnel()
    check_places(settings, full_refresh=full_refresh)
    source, key = settings.source_with_password, secrets.token_bytes(32)  # no value is read
    is_partial = settings.is_partial(full_refresh=full_refresh)
    with opened_export(source, key, is_partial=is_partial) as export:
        tables = [_of_table(name, export.get(name)) for name in SOURCES]
    return {
        "status": "dry run",
        "source": shown(settings.source),
        "warehouse": shown(settings.warehouse),
        "report": str(settings.report),
        "export": str(settings.export) if settings.export else None,
        "tables": tables,
        "models": [
            {"name": model.name, "schema": model.schema, "reads": list(model.upstream)}
            for model in load_models().values()
        ],
    }


def _of_table(name: str, found: ExportTable | None) -> dict[str, Any]:
    return {
        "name": f"raw_{name}",
        "found": found.name if found else None,
        "not_read": list(found.ignored) if found else [],
    }


def in_words(planned: dict[str, Any]) -> str:
    """The plan, for people."""
    tables = {table["name"]: _origin(table) for table in planned["tables"]}
    models = {
        f"{model['schema']}.{model['name']}": f"from {', '.join(model['reads']) or 'funnel.toml'}"
        for model in planned["models"]
    }
    width = max(map(len, (*tables, *models)))
    lines = [f"Source: {planned['source']}"]
    lines += [f"  {name:<{width}} {origin}" for name, origin in tables.items()]
    lines.append(f"Warehouse: {planned['warehouse']}")
    lines += [f"  {name:<{width}} {origin}" for name, origin in models.items()]
    lines.append(f"Report: {planned['report']}")
    if planned["export"]:
        lines.append(f"Export: {planned['export']}")
    return "\n".join([*lines, "Dry run: nothing was written, and the warehouse was not looked at."])


def _origin(table: dict[str, Any]) -> str:
    """Where a table of the export is, and what of it is not read."""
    where = table["found"] or "not in the export"
    return f"{where}; not read: {', '.join(table['not_read'])}" if table["not_read"] else where
