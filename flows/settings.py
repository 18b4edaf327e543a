"""Settings: FUNNEL_… variables of the environment; the command line comes on top."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from flows.errors import InputError
from flows.warehouse.limits import Limits


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError("not a time zone; write it like Europe/Berlin") from None
    return name


def _written_out(moment: object) -> object:
    """Pydantic would take a plain number for seconds since 1970."""
    if isinstance(moment, str) and not re.match(r"\d{4}-\d{2}-\d{2}", moment):
        raise ValueError("not a time; write it like 2024-06-30 or 2024-06-30T12:00:00+02:00")
    return moment


def _with_a_unit(size: object) -> object:
    if isinstance(size, str) and not re.fullmatch(r"[0-9]+([.][0-9]+)?\s*[KMGT]i?B", size, re.I):
        raise ValueError("not a size; write it like 2GB")
    return size


def _in_utc(moment: datetime | None) -> datetime | None:
    """Without its offset, as the warehouse has it; a moment without an offset is UTC."""
    if moment is None or moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("out of range") from None


def _none_if_empty(folder: object) -> object:
    """An empty variable would name the folder in which the run is."""
    return folder or None


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Moment = Annotated[datetime | None, BeforeValidator(_written_out), AfterValidator(_in_utc)]
Size = Annotated[ByteSize | None, BeforeValidator(_with_a_unit)]
Folder = Annotated[Path | None, BeforeValidator(_none_if_empty)]
OPTIONS = ("source", "warehouse", "report", "export", "as_of")


class Settings(BaseSettings):
    """What a run needs to know. Only the secret is not a parameter of the flow."""

    model_config = SettingsConfigDict(env_prefix="FUNNEL_", hide_input_in_errors=True)

    source: str = "data/sample"
    warehouse: str = "duckdb://data/warehouse.duckdb"
    report: Path = Path("reports/out/sales_funnel.html")
    export: Folder = None
    as_of: Moment = None
    timezone: TimeZone = "UTC"
    source_timezone: TimeZone = "UTC"
    max_rejected_pct: float = Field(default=0.1, ge=0, le=100)
    min_deals_per_rep: int = Field(default=1, ge=1)
    keep_reports: int = Field(default=20, ge=0)
    masking_key: SecretStr | None = Field(default=None, min_length=16)
    masking_key_file: Path = Path(".masking_key")
    forgotten_users_file: Path = Path(".forgotten_users")
    memory_limit: Size = None
    temp_limit: Size = None

    @property
    def runs_index(self) -> Path:
        """The page that lists the runs, in the folder where their reports are kept."""
        return self.report.with_name(f"{self.report.stem}_runs") / "index.html"

    @property
    def limits(self) -> Limits:
        """Of what DuckDB takes."""
        return Limits(self.memory_limit, self.temp_limit)


def load_settings(**given: object) -> Settings:
    """The settings, with what was given (and is not None) over the environment.

    Raises:
        InputError: a value is not usable; the message names it without repeating it.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = str(wrong["loc"][0])
        option = f"--{name.replace('_', '-')} / " if name in OPTIONS else ""
        raise InputError(f"{option}FUNNEL_{name.upper()}: {wrong['msg']}") from None
