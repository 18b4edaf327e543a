"""Fields of deals."""

from ibis import Table

from transforms import text
from transforms.checks import unique
from transforms.graph import model
from transforms.lookups import latest_row


@model(
    key=["field_id"],
    schema={"field_id": "int64", "field_key": "string", "field_name": "string"},
    checks=[unique("field_key", severity="warn")],
)
def stg_fields(raw_fields: Table) -> Table:
    """One row per field of a deal.

    Columns:
        field_id: id in Pipedrive
        field_key: normalised key, as the change log names it
        field_name: name people see
    """
    fields = latest_row(raw_fields, "id")
    return fields.select(
        field_id=fields.id,
        field_key=text.code(fields.field_key),
        field_name=text.folded(fields.name),
    )
