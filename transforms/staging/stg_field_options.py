"""Options of the fields that are chosen from a list."""

from ibis import Table

from transforms import text
from transforms.checks import not_null, unique
from transforms.graph import model
from transforms.lookups import first_row, latest_row


@model(
    schema={"field_key": "string", "option_id": "int64", "option_label": "string"},
    checks=[
        unique("field_key", "option_id"),
        not_null("field_key", severity="warn"),
        not_null("option_id", severity="warn"),
        not_null("option_label", severity="warn"),
    ],
)
def stg_field_options(raw_fields: Table) -> Table:
    """One row per field key and option id.

    Of fields with the same key, the one with the highest id has the say; of options of a field with
    the same id, the last one in its list.

    Columns:
        field_key: normalised key of the field; null for one without a letter or digit
        option_id: the id that the change log holds; null for options without a usable one
        option_label: what people see, as in the export's JSON list of {id, label}
    """
    fields = latest_row(raw_fields, "id")
    lists = fields.select(
        "id",
        field_key=text.code(fields.field_key),
        option=fields.field_value_options.cast("json").array,
    )
    listed = lists.unnest("option", offset="place")
    options = listed.select(
        "id",
        "place",
        "field_key",
        # As JSON text, so that 2, 2.0 and "2" are the same id.
        option_id=text.integer(listed.option["id"].cast("string").replace('"', "")),
        option_label=text.folded(listed.option["label"].str),
    )
    # Rows of several exports have no order among each other; those of a field have its id.
    order = [options.id.desc(), options.place.desc()]
    return first_row(options, ["field_key", "option_id"], order).drop("id", "place")
