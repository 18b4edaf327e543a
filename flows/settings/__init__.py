"""Settings: FUNNEL_… variables of the environment, or files of secrets; options come on top.

docs/settings.md lists them: `python -m tests.docs.settings_page` writes it from what is said here.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from flows.errors import InputError
from flows.settings.forms import (
    SHORTEST_KEY,
    File,
    Folder,
    Key,
    Moment,
    Place,
    Size,
    TimeZone,
    WebAddress,
    is_elsewhere,
)
from flows.warehouse.address import has_password, is_postgres, with_password
from flows.warehouse.limits import Limits

PREFIX = "FUNNEL_"
OPTIONS = ("source", "warehouse", "report", "export", "as_of", "incremental")
SECRETS = ("masking_key", "warehouse_password", "source_password")  # NAME_block names a block


def _setting(default: object, said: str, form: str, **rules: Any) -> Any:
    """A setting, with what docs/settings.md says of it."""
    return Field(default=default, description=said, json_schema_extra={"form": form}, **rules)


class Settings(BaseSettings):
    """What a run needs to know. No secret of it is a parameter of the flow."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, hide_input_in_errors=True)

    source: Place = _setting(
        "data/sample",
        "Where the export is.",
        "a folder; `duckdb://PATH?schema=NAME`; `postgresql://USER@HOST:PORT/DATABASE?schema=NAME`",
    )
    warehouse: Place = _setting(
        "duckdb://data/warehouse.duckdb",
        "Where the tables are made.",
        "`duckdb://PATH`; `postgresql://USER@HOST:PORT/DATABASE`;"
        " `spark://HOST:PORT?catalog=FOLDER`",
    )
    report: File = _setting(
        Path("reports/out/sales_funnel.html"),
        "The report; the reports of runs are kept in a folder beside it.",
        "a file",
    )
    report_url: WebAddress = _setting(
        None,
        "The address at which people open the report, to which the Prefect UI links; unless given,"
        " it links to the file, which browsers do not open from there.",
        "`https://reports.example/sales.html`",
    )
    export: Folder = _setting(None, "Where the tables go as CSV and Parquet.", "a folder")
    as_of: Moment = _setting(
        None,
        "Open stays are measured up to this time; unless given, the newest event so far.",
        "`2024-06-30`, `2024-06-30T12:00:00+02:00`; UTC without an offset",
    )
    incremental: bool = _setting(
        False,
        "The export holds only new or changed rows, which are merged into the warehouse. Unless"
        " given, it is complete.",
        "`true`",
    )
    timezone: TimeZone = _setting(
        "UTC", "Time zone in which months begin and end.", "`Europe/Berlin`"
    )
    source_timezone: TimeZone = _setting(
        "UTC", "Time zone of timestamps in the export that have no offset.", "`Europe/Berlin`"
    )
    max_rejected_pct: float = _setting(
        0.1,
        "A run stops if a larger share of the rows of a table cannot be read.",
        "percent, 0 to 100",
        ge=0,
        le=100,
    )
    min_deals_per_rep: int = _setting(
        1,
        'Reps with fewer deals are shown together, as "other reps", in the report and in exported'
        " files.",
        "a whole number from 1",
        ge=1,
    )
    keep_reports: int = _setting(
        20, "How many reports of runs are kept.", "a whole number from 0", ge=0
    )
    memory_limit: Size = _setting(
        None,
        "What DuckDB takes; unless given, half of the memory, at most 2.8 GB, or 128 MB where it"
        " only reads files for PostgreSQL or Spark.",
        "`2GB`, `512MiB`",
    )
    temp_limit: Size = _setting(
        None,
        "The disk that DuckDB may use for what does not fit into its memory, beside the warehouse"
        " or in `TMPDIR`; unless given, nine tenths of what is free.",
        "`20GB`",
    )
    forgotten_users_file: File = _setting(
        Path(".forgotten_users"),
        "The ids of the users of whom nothing is kept; `forget` writes it.",
        "a file, one id to a line, mode 600",
    )
    masking_key_file: File = _setting(
        Path(".masking_key"),
        "The masking key, unless it is given in another way; made on the first run.",
        "a file, mode 600",
    )
    masking_key: Key = _setting(
        None,
        "The masking key itself.",
        f"secret, {SHORTEST_KEY} characters or more",
    )
    masking_key_block: str | None = _setting(
        None, "The Secret block of Prefect that holds the masking key.", "the name of a block"
    )
    warehouse_password: SecretStr | None = _setting(
        None, "Password of the user in `FUNNEL_WAREHOUSE`, if that is PostgreSQL.", "secret"
    )
    warehouse_password_block: str | None = _setting(
        None, "The Secret block of Prefect that holds this password.", "the name of a block"
    )
    source_password: SecretStr | None = _setting(
        None, "Password of the user in `FUNNEL_SOURCE`, if that is PostgreSQL.", "secret"
    )
    source_password_block: str | None = _setting(
        None, "The Secret block of Prefect that holds this password.", "the name of a block"
    )
    secrets_dir: Folder = _setting(
        None,
        "A folder with a file for each setting that is given there, such as `funnel_masking_key` or"
        " `funnel_warehouse_password`, as Docker and Kubernetes mount secrets.",
        "a folder",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then variables, then files of the folder that a variable names."""
        return init_settings, env_settings, _files_of_secrets()

    @field_validator("masking_key_block")
    @classmethod
    def _one_key(cls, block: str | None, info: ValidationInfo) -> str | None:
        if block and info.data.get("masking_key"):
            raise ValueError("FUNNEL_MASKING_KEY is given too; keep one of them")
        return block or None

    @field_validator(
        "warehouse_password",
        "warehouse_password_block",
        "source_password",
        "source_password_block",
    )
    @classmethod
    def _one_password(cls, given: Any, info: ValidationInfo) -> Any:
        place, _, kind = str(info.field_name).partition("_")
        if given and has_password(info.data.get(place, "")):
            raise ValueError(f"the URL of the {place} has a password too; keep one of them")
        if given and kind == "password_block" and info.data.get(f"{place}_password"):
            raise ValueError(f"{PREFIX}{place.upper()}_PASSWORD is given too; keep one of them")
        return given or None

    @property
    def warehouse_with_password(self) -> str:
        """What to connect to; show `warehouse` instead."""
        return with_password(self.warehouse, self.warehouse_password)

    @property
    def source_with_password(self) -> str:
        """What to read; show `source` instead."""
        return with_password(self.source, self.source_password)

    @property
    def blocks(self) -> dict[str, str]:
        """The secrets that a block of Prefect holds, and its name."""
        unused = {
            f"{place}_password"
            for place in ("warehouse", "source")
            if not is_postgres(getattr(self, place))
        }
        named = {name: getattr(self, f"{name}_block") for name in SECRETS if name not in unused}
        return {name: block for name, block in named.items() if block}

    def is_partial(self, *, full_refresh: bool) -> bool:
        """Whether the export may lack tables: it joins what is there."""
        return self.incremental and not full_refresh

    @property
    def runs_index(self) -> Path:
        """The page that lists the runs, in the folder where their reports are kept."""
        return self.report.with_name(f"{self.report.stem}_runs") / "index.html"

    @property
    def limits(self) -> Limits:
        """How much memory and disk DuckDB may use."""
        return Limits(self.memory_limit, self.temp_limit)


def variable(name: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def option(name: str) -> str:
    """The option of a setting that has one."""
    return f"--{name.replace('_', '-')}"


def in_both_ways(name: str) -> str:
    """A setting, as option and as variable, for messages."""
    return f"{option(name)} / {variable(name)}" if name in OPTIONS else variable(name)


def load_settings(**given: object) -> Settings:
    """The settings, with what was given (and is not None) over the environment.

    Raises:
        InputError: a value is not usable; the message names it without repeating it.
    """
    settings, wrong = usable_settings(**given)
    for name, said in wrong.items():
        raise InputError(f"{in_both_ways(name)}: {said}") from None
    return settings


def usable_settings(**given: object) -> tuple[Settings, dict[str, str]]:
    """The settings, with defaults in place of those that are wrong, and what is wrong with these.

    Raises:
        InputError: the files of secrets cannot be read.
    """
    chosen = _chosen(given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of a file that would be passed over
            return Settings(**chosen), {}
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        wrong = {str(e["loc"][0]): e["msg"].removeprefix("Value error, ") for e in found}
    except (SettingsError, UserWarning, UnicodeError, OSError) as error:
        raise InputError(f"{variable('secrets_dir')}: {_why_unreadable(error)}") from None
    defaults = {name: Settings.model_fields[name].default for name in wrong}
    return Settings(**chosen | defaults), wrong


def origins(**given: object) -> dict[str, str]:
    """Where each setting comes from that has not its default, as in "the option --source"."""
    files = _files_of_secrets()
    in_environment = EnvSettingsSource(Settings)()
    return {
        **{name: f"the file {files.secrets_dir}/{variable(name).lower()}" for name in files()},
        **{name: f"the variable {variable(name)}" for name in in_environment},
        **{name: f"the option {option(name)}" for name in _chosen(given)},
    }


def _chosen(given: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _files_of_secrets() -> SecretsSettingsSource:
    folder = EnvSettingsSource(Settings)().get("secrets_dir")
    if folder and is_elsewhere(folder):  # as it is said of the setting itself, without repeating it
        folder = None
    return SecretsSettingsSource(Settings, folder or None)


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return "a file is no text" if isinstance(error, UnicodeError) else str(error)
