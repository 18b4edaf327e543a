"""The change log of deals."""

from ibis import Table

from transforms import text
from transforms.checks import has_happened, newest_within, not_null, references, rule
from transforms.graph import model


@model(
    schema={
        "deal_id": "int64",
        "changed_at": "timestamp(6)",
        "changed_field_key": "string",
        "new_value": "string",
    },
    checks=[
        not_null("deal_id"),
        not_null("changed_at"),
        not_null("changed_field_key", severity="warn"),
        has_happened("changed_at"),
        newest_within("changed_at", days=45),
        references("changed_field_key", "stg_fields.field_key", severity="warn"),
        rule(
            "id_changes_hold_an_id",
            lambda changes: (
                changes.changed_field_key.notin(["stage_id", "user_id"]).fill_null(True)
                # What is no id was masked as it was read.
                | ~changes.new_value.startswith("~")
                | ((changes.changed_field_key == "user_id") & changes.new_value.isnull())
            ),
            severity="warn",
        ),
    ],
    refresh_by="deal_id",
)
def stg_deal_changes(raw_deal_changes: Table) -> Table:
    """One row per change of a field of a deal.

    Columns:
        deal_id: the deal; an id can be reused for a second deal life
        changed_at: when, UTC
        changed_field_key: normalised key: add_time, user_id, stage_id, lost_reason or another;
            null where it has no letter or digit
        new_value: ids and times of these four fields, as text; all else as its pseudonym ("~…");
            null in place of the id of a user who is forgotten
    """
    return raw_deal_changes.select(
        deal_id=raw_deal_changes.deal_id,
        changed_at=raw_deal_changes.change_time,
        changed_field_key=text.code(raw_deal_changes.changed_field_key),
        new_value=raw_deal_changes.new_value,
    )
