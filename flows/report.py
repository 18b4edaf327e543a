"""Marts into the report: what it shows, and where it is put."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
from ibis import Table
from transforms.graph import Model

from flows.errors import InputError
from flows.warehouse.rows import read

SORTED_BY = ("month", "step_order", "lost_reason_label", "user_id")


def report_tables(models: Iterable[Model], tables: Mapping[str, Table]) -> dict[str, pa.Table]:
    """The `rep_` marts, read: months in order, steps in the order of the funnel."""
    order = tables["stg_funnel_steps"].select("step_order", step="funnel_step")
    marts = {}
    for model in models:
        if not model.name.startswith("rep_"):
            continue
        mart = tables[model.name]
        if "funnel_step" in mart.columns:
            mart = mart.left_join(order, mart.funnel_step == order.step)
        keys = [name for name in SORTED_BY if name in mart.columns]
        ordered = mart.order_by(keys or mart.columns)
        marts[model.name] = read(ordered.select(tables[model.name].columns))
    return marts


def write_beside(file: Path, page: bytes) -> Path:
    """Write the page next to where it belongs; moving it there is the last step of a run."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(page)
    except OSError as error:
        raise InputError(f"{file}: cannot write the report: {error.strerror}") from None
    return beside


def put_in_place(beside: Path, file: Path) -> None:
    """Show the new page to readers, in one step."""
    try:
        os.replace(beside, file)
    except OSError as error:
        raise InputError(f"{file}: cannot write the report: {error.strerror}") from None
