"""Variables that are not ours, and that a run heeds all the same."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OtherVariable:
    """A variable of the environment, and what it does to a run."""

    name: str
    said: str
    is_secret: bool = False


OTHER_VARIABLES = (
    OtherVariable(
        "PGPASSWORD", "the password for PostgreSQL, for warehouse and source alike", is_secret=True
    ),
    OtherVariable("PGPASSFILE", "a file of passwords in place of `~/.pgpass`"),
    OtherVariable(
        "PGSSLMODE", "how the connection to PostgreSQL uses TLS; libpq's other variables work, too"
    ),
    OtherVariable("TMPDIR", "what is read from a database, and what DuckDB puts aside for it"),
    OtherVariable(
        "PREFECT_API_URL", "the Prefect server; unless it is named, a run starts one for itself"
    ),
    OtherVariable("PREFECT_API_KEY", "the key of Prefect Cloud", is_secret=True),
    OtherVariable("PREFECT_API_AUTH_STRING", "user and password of the server", is_secret=True),
    OtherVariable("PREFECT_PROFILE", "the profile of Prefect, which can name a server"),
    OtherVariable("PREFECT_PROFILES_PATH", "the file of these profiles"),
    OtherVariable(
        "PREFECT_HOME",
        "where Prefect keeps its profiles, and the records of a server that a run starts",
    ),
    OtherVariable(
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",
        "what Prefect says besides our lines, on a terminal; the command has it say nothing",
    ),
    OtherVariable(
        "DO_NOT_TRACK", "whether Prefect reports its use; the command has it report nothing"
    ),
)
