"""Activity types."""

from ibis import Table

from transforms import text
from transforms.checks import Check, Settings, unique
from transforms.graph import model
from transforms.lookups import latest_row


def _outside_the_funnel(types: Table, _: object, settings: Settings) -> Table:
    """The types that no step of funnel.toml matches: what is done of them enters no step."""
    matched = [*settings["funnel"].step_by_code("activity")]
    return types.filter(~types.activity_type.isin(matched).fill_null(False))


@model(
    key=["activity_type_id"],
    schema={
        "activity_type_id": "int64",
        "activity_type": "string",
        "activity_type_name": "string",
        "is_active": "boolean",
    },
    checks=[
        unique("activity_type", severity="warn"),
        Check("types_have_a_step", "warn", _outside_the_funnel),
    ],
)
def stg_activity_types(raw_activity_types: Table) -> Table:
    """One row per activity type.

    Columns:
        activity_type_id: id in Pipedrive
        activity_type: normalised code, as activities carry it
        activity_type_name: name people see
        is_active: whether it can still be chosen; inactive ones can be in use
    """
    types = latest_row(raw_activity_types, "id")
    return types.select(
        activity_type_id=types.id,
        activity_type=text.code(types.type),
        activity_type_name=text.folded(types.name),
        is_active=types.active,
    )
