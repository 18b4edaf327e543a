"""The tables of a Pipedrive export, as they are read: columns, kinds, and what is personal.

Ingestion turns each into a *raw table* (`raw_activity`, …) that is typed, masked and free of exact
duplicates; the staging models start from there. Columns are bound by header name in any case.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "integer",
    "number",
    "text",
    "timestamp",
    "boolean",
    "json",
    "log_value",
    "person_id",
    "user_id",
    "owner_id",
    "name",
    "email",
    "status",
    "currency",
]

# What a column of each kind becomes in the raw table: suffix of the column name -> Ibis type.
# Personal kinds have no unsuffixed column: the value itself does not get past the first read.
RAW_COLUMNS: dict[Kind, dict[str, str]] = {
    "integer": {"": "int64"},
    "number": {"": "float64"},
    "text": {"": "string"},
    "timestamp": {"": "timestamp(6)"},
    "boolean": {"": "boolean"},
    "json": {"": "string"},
    "log_value": {"": "string"},
    "person_id": {"": "int64", "_pseudonym": "string"},
    "user_id": {"": "int64"},
    "owner_id": {"": "int64", "_is_forgotten": "boolean"},
    "name": {"_masked": "string", "_pseudonym": "string"},
    "email": {"_hash": "string"},
    "status": {"": "string"},
    "currency": {"": "string"},
}


# Raise it when the same export becomes other raw rows, as by stricter masking: rows that were kept
# of earlier exports are then refused.
READING_RULES = 3
STATUSES = ("won", "lost", "open")
ID_KINDS: tuple[Kind, ...] = ("integer", "person_id", "user_id", "owner_id")
# Of these kinds, the value itself must not leave where it is first read.
PERSONAL_KINDS = ("name", "email", "log_value", "status", "currency")


@dataclass(frozen=True)
class Column:
    """A column of the export.

    `required`: a row without a value is rejected. `optional`: the export may lack the column.
    """

    name: str
    kind: Kind
    required: bool = False
    optional: bool = False

    @property
    def raw(self) -> dict[str, str]:
        """What it is in the raw table: columns and Ibis types."""
        return {self.name + suffix: dtype for suffix, dtype in RAW_COLUMNS[self.kind].items()}


@dataclass(frozen=True)
class Source:
    """A table of the export. A lookup keeps its row number, so that the latest row can win.

    `subject`: the columns that say what a row is about, all required; an incremental run takes what
    its export says of a subject in place of what earlier ones said. Of a lookup, it is the key.
    """

    name: str
    columns: tuple[Column, ...]
    subject: tuple[str, ...]
    lookup: bool = False
    optional: bool = False

    @property
    def raw_name(self) -> str:
        """The parameter name by which models ask for it."""
        return f"raw_{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the export."""
        return tuple(column.name for column in self.columns)

    @property
    def key(self) -> str:
        """The column whose values tell the rows of a lookup apart."""
        return self.columns[0].name

    @property
    def masked_columns(self) -> tuple[str, ...]:
        """The columns of the export, what is personal as in the raw table."""
        return tuple(
            name
            for column in self.columns
            for name in (column.raw if column.kind in PERSONAL_KINDS else (column.name,))
        )

    @property
    def checks(self) -> tuple[str, ...]:
        """Rules about the table as it was read; all warn."""
        one_wins = (f"unique({self.key})",) if self.lookup else ()
        return ("columns_are_known", "has_rows", "rows_can_be_read", *one_wins)

    @property
    def raw_schema(self) -> dict[str, str]:
        """Columns and Ibis types of the raw table."""
        columns = {name: dtype for column in self.columns for name, dtype in column.raw.items()}
        return columns | {"source_row": "int64"} if self.lookup else columns


def _required(name: str, kind: Kind) -> Column:
    return Column(name, kind, required=True)


def _optional(name: str, kind: Kind) -> Column:
    return Column(name, kind, optional=True)


SOURCES = {
    source.name: source
    for source in (
        Source(
            "activity",
            (
                _required("activity_id", "integer"),
                Column("type", "text"),
                Column("assigned_to_user", "user_id"),
                Column("deal_id", "integer"),
                Column("done", "boolean"),
                Column("due_to", "timestamp"),
            ),
            subject=("activity_id",),
        ),
        Source(
            "activity_types",
            (
                _required("id", "integer"),
                Column("name", "text"),
                Column("active", "boolean"),
                Column("type", "text"),
            ),
            subject=("id",),
            lookup=True,
        ),
        Source(
            "deal_changes",
            (
                _required("deal_id", "integer"),
                _required("change_time", "timestamp"),
                _required("changed_field_key", "text"),
                Column("new_value", "log_value"),
            ),
            subject=("deal_id", "change_time", "changed_field_key"),
        ),
        Source(
            "fields",
            (
                _required("id", "integer"),
                _required("field_key", "text"),
                Column("name", "text"),
                Column("field_value_options", "json"),
            ),
            subject=("id",),
            lookup=True,
        ),
        Source(
            "stages",
            (_required("stage_id", "integer"), Column("stage_name", "text")),
            subject=("stage_id",),
            lookup=True,
        ),
        Source(
            "users",
            (
                _required("id", "person_id"),
                Column("name", "name"),
                Column("email", "email"),
                Column("modified", "timestamp"),
            ),
            subject=("id",),
            lookup=True,
        ),
        Source(
            "deals",
            (
                _required("deal_id", "integer"),
                Column("status", "status"),
                _optional("user_id", "owner_id"),
                _optional("stage_id", "integer"),
                _optional("value", "number"),
                _optional("currency", "currency"),
                _optional("add_time", "timestamp"),
                _optional("won_time", "timestamp"),
                _optional("lost_time", "timestamp"),
            ),
            subject=("deal_id",),
            lookup=True,
            optional=True,
        ),
    )
}

RAW_TABLES = {source.raw_name: source for source in SOURCES.values()}
