"""A table that waits to be published: where it does, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg2 import sql

# What waits has a name that begins so, and goes on with letters and digits of its run: what others
# left can still be in use.
BUILDING = "_building_"
# What readers use, and where its rows wait: where they cannot look.
SHOWN_SCHEMAS = ("marts", "snapshots", "quality")
ASIDE = "staging"


@dataclass
class Candidate:
    """A table that waits to be published.

    `building`: its name until then. `keeps_rows`: its rows come beside those that are there.
    `gone`: a table that waits with it, and they come in place of those that agree with it in
    `replaced_by`; without one, of all.
    `said`, `said_of`: the comments of the table and of its columns.
    """

    schema: str
    name: str
    building: str
    key: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    keeps_rows: bool = False
    gone: str | None = None
    said: str | None = None
    said_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def stays(self) -> bool:
        """Whether its rows go into the table that is there, which does not change places."""
        return self.schema in SHOWN_SCHEMAS or self.gone is not None

    @property
    def waiting_in(self) -> str:
        """Its schema until then."""
        return ASIDE if self.schema in SHOWN_SCHEMAS else self.schema

    @property
    def rows(self) -> sql.Identifier:
        """The table as it waits."""
        return sql.Identifier(self.waiting_in, self.building)

    @property
    def place(self) -> sql.Identifier:
        """The table as readers know it."""
        return sql.Identifier(self.schema, self.name)
