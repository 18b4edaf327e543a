"""What can be wrong, and what is promised then: the cases that `test_faults.py` runs.

`python -m tests.flows.faults` writes the table of the README, which a test compares with it.
"""

import csv
import gzip
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

README = Path(__file__).parents[2] / "README.md"
TABLE = re.compile(r"(?<=<!-- faults -->\n).*(?=<!-- end of faults -->)", re.DOTALL)

Files = dict[str, str | bytes | None]
Outcome = Literal["same marts", "rejected", "warning", "refused"]

# In no other text; one of them is wherever a person can be in an export, and in what is rejected.
PLANTED = ("Quixote", "Żółwińska")

# An export without a fault: two deals, of which one is lost, with a call each.
EXPORT = {
    name: dedent(text).lstrip("\n")
    for name, text in {
        "activity.csv": """
            activity_id,type,assigned_to_user,deal_id,done,due_to
            1,meeting,1,7,True,2024-01-08 09:00:00
            2,sc_2,2,8,True,2024-02-08 09:00:00
            3,meeting,2,8,False,2024-02-09 09:00:00
            """,
        "activity_types.csv": """
            id,name,active,type
            1,Sales Call 1,Yes,meeting
            2,Sales Call 2,Yes,sc_2
            """,
        "deal_changes.csv": """
            deal_id,change_time,changed_field_key,new_value
            7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00
            7,2024-01-02 08:00:00,user_id,1
            7,2024-01-02 08:00:00,stage_id,1
            7,2024-01-20 08:00:00,stage_id,2
            7,2024-02-01 08:00:00,lost_reason,1
            8,2024-02-02 08:00:00,add_time,2024-02-02T08:00:00
            8,2024-02-02 08:00:00,user_id,2
            8,2024-02-02 08:00:00,stage_id,1
            8,2024-02-03 08:00:00,title,"Quixote, asked by Zebulonius Quixote"
            """,
        "deals.csv": """
            deal_id,status
            7,lost
            8,open
            """,
        "fields.csv": """
            id,field_key,name,field_value_options
            1,add_time,Created,
            2,user_id,Owner,
            3,stage_id,Stage,
            4,lost_reason,Lost reason,"[{""id"": 1, ""label"": ""Price""}]"
            5,title,Title,
            """,
        "stages.csv": """
            stage_id,stage_name
            1,Lead Generation
            2,Qualified Lead
            """,
        "users.csv": """
            id,name,email,modified
            1,Zebulonius Quixote,zebulonius.1@quixote.example,2024-01-01 00:00:00
            2,"Żółwińska, Quixote",zebulonius.2@quixote.example,2024-01-01 00:00:00
            """,
    }.items()
}

REJECTED = "the row is rejected, the others are read; but see too many rejected rows"
NOT_WHOLE = "not a whole number of up to 18 digits"
NOT_TIME = "not an ISO timestamp between 1970 and 2199, as in 2024-12-31 22:00:00"


@dataclass(frozen=True)
class Case:
    """An export with a fault, or with a few of one kind, and what is documented of it.

    Attributes:
        name: the fault.
        files: what differs from EXPORT; None for a file that is not there.
        source: what is given as the source, within the folder.
        unreadable: the file that must not be read.
        happens: in words; what is to be said beside the outcome.
        refused: part of the message of a run that ends with 2.
        rejected: by table, the faults of rows: line, column, reason.
        warns: the checks that warn, beside those that do so without the fault.
        duplicates: by table, the rows that are collapsed.
        rows: by table, the rows of a file that Python's csv does not read.
        query, finds: what the tables show of it.
        changes_marts: the marts are not those of EXPORT.
        is_in_the_mix: of the marts, rep_source_mix shows it, and no other.
    """

    name: str
    files: Files = field(default_factory=dict)
    source: str = "."
    unreadable: str | None = None
    happens: str = ""
    refused: str = ""
    rejected: Mapping[str, Sequence[tuple[int, str | None, str]]] = field(default_factory=dict)
    warns: frozenset[str] = frozenset()
    duplicates: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    query: str = ""
    finds: list[tuple[Any, ...]] = field(default_factory=list)
    changes_marts: bool = False
    is_in_the_mix: bool = False

    @property
    def outcome(self) -> Outcome:
        """What becomes of the run."""
        if self.refused:
            return "refused"
        if self.rejected:
            return "rejected"
        return "warning" if self.warns else "same marts"

    @property
    def all_warns(self) -> frozenset[str]:
        """Also those that warn of rejected rows."""
        return self.warns | {f"raw_{table}: rows_can_be_read" for table in self.rejected}

    @property
    def in_words(self) -> tuple[str, str]:
        """What happens, and what one sees of it."""
        match self.outcome:
            case "refused":
                return "exit code 2, nothing is changed", "what is wrong, where, and what to do"
            case "rejected":
                seen = "warning: `rows_can_be_read`; place and reason in `quality.rejected_rows`"
                return REJECTED, seen
            case "warning":
                checks = {check.partition(": ")[2] for check in self.warns}
                return self.happens, f"warning: {listed(checks)}"
        return self.happens or "read as usual", "nothing"

    @property
    def all_files(self) -> dict[str, str | bytes]:
        """The whole export."""
        files = {**EXPORT, **self.files}
        return {name: content for name, content in files.items() if content is not None}

    def rows_of(self, table: str) -> int | None:
        """The rows of a table's file, as it was drawn; None if there is none."""
        if table in self.rows:
            return self.rows[table]
        content = self.all_files.get(f"{table}.csv")
        if content is None:
            return None
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        return len(list(csv.reader(io.StringIO(text, newline="")))) - 1


@dataclass(frozen=True)
class Proven:
    """Another fault, what is documented of it, and the test that proves it: "file::name"."""

    name: str
    happens: str
    seen: str
    test: str

    @property
    def in_words(self) -> tuple[str, str]:
        """What happens, and what one sees of it."""
        return self.happens, self.seen


def listed(names: Collection[str]) -> str:
    """The names as code, in order."""
    return ", ".join(f"`{name}`" for name in sorted(names))


def each(change: Callable[[str], str | bytes]) -> Files:
    """Every file of the export, changed."""
    return {name: change(text) for name, text in EXPORT.items()}


def with_other(name: str, *replacements: tuple[str, str]) -> Files:
    """A file of the export with some texts in place of others."""
    text = EXPORT[name]
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return {name: text}


def with_lines(name: str, *lines: str) -> Files:
    """A file of the export with more lines."""
    return {name: EXPORT[name] + "".join(f"{line}\n" for line in lines)}


def header_of(name: str) -> str:
    """The first line of a file of the export, as it ends."""
    return EXPORT[name].partition("\n")[0] + "\n"


def every_other_as_on_windows(text: str) -> str:
    """The text with lines that end in two ways."""
    lines = text.splitlines()
    return "".join(line + ("\r\n" if place % 2 else "\n") for place, line in enumerate(lines))


def with_quoted_header(text: str) -> str:
    """The names of the columns in quotes."""
    header, _, rows = text.partition("\n")
    return re.sub(r"\w+", r'"\g<0>"', header) + "\n" + rows


def turned_around(text: str) -> str:
    """The columns in the other order, their names in upper case."""
    header, *rows = csv.reader(io.StringIO(text))
    turned = io.StringIO()
    csv.writer(turned, lineterminator="\n").writerows(
        [[name.upper() for name in header[::-1]], *(row[::-1] for row in rows)]
    )
    return turned.getvalue()


def parquet(**columns: pa.Array) -> bytes:
    """A Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


ACTIVITY_AS_PARQUET = parquet(
    activity_id=pa.array([1.0, 2.0, 3.0]),
    type=pa.array(["meeting", "sc_2", "meeting"]).dictionary_encode(),
    assigned_to_user=pa.array([1, 2, 2], pa.int8()),
    deal_id=pa.array([Decimal("7.00"), Decimal("8.00"), Decimal("8.00")]),
    done=pa.array([True, True, False]),
    due_to=pa.array(
        [datetime(2024, 1, 8, 9), datetime(2024, 2, 8, 9), datetime(2024, 2, 9, 9)],
        pa.timestamp("ns", "UTC"),
    ),
)
ZIPPED_USERS = gzip.compress(EXPORT["users.csv"].encode())
UNKNOWN_STEP = "not_null(funnel_step)"

CASES = [
    # Read as usual
    Case("byte order mark", each(lambda text: b"\xef\xbb\xbf" + text.encode())),
    Case("CRLF", each(lambda text: text.replace("\n", "\r\n"))),
    Case("header in other case and order", each(turned_around)),
    Case("quoted header", each(with_quoted_header)),
    Case(
        "line end within quotes",
        with_other("stages.csv", ("Lead Generation", '"Lead\nGeneration"')),
    ),
    Case("missing optional file", {"deals.csv": None}),
    Case(
        "Parquet with other types",
        {"activity.csv": None, "activity.parquet": ACTIVITY_AS_PARQUET},
        rows={"activity": 3},
    ),
    Case(
        "timestamp with an offset",
        with_other("activity.csv", ("02-08 09:00:00", "02-08T10:30:00+01:30"))
        | with_other("deal_changes.csv", ("7,2024-02-01 08:00:00", "7,2024-01-31 23:00:00.0-09")),
        happens="the instant counts",
    ),
    Case(
        "id like 7.0, above 2^53, negative, or among white space",
        with_other(
            "activity.csv", ("2,sc_2,2,8", "9007199254740993,sc_2,2.0,8.00"), ("3,meet", "-3,meet")
        )
        | with_other("deal_changes.csv", ("stage_id,2", "stage_id, 2 "), ("reason,1", "reason, 1"))
        | with_other("stages.csv", ("2,", " 2 ,")),
        happens="kept exactly",
        query="SELECT activity_id FROM staging.stg_activities ORDER BY 1",
        finds=[(-3,), (1,), (9007199254740993,)],
    ),
    Case(
        "equal rows",
        each(lambda text: text + text.partition("\n")[2]),
        happens="one of them counts; `quality.reconciliation` has the number",
        duplicates={
            "activity": 3,
            "activity_types": 2,
            "deal_changes": 9,
            "deals": 2,
            "fields": 5,
            "stages": 2,
            "users": 2,
        },
    ),
    Case(
        "stage name that differs in case or spaces only",
        with_other(
            "stages.csv",
            ("Lead Generation", "LEAD  generation "),
            ("Qualified Lead", " qualified lead"),
        ),
        happens="the same step of the funnel, shown as the export has it",
        query="SELECT stage_name, funnel_step FROM staging.stg_stages ORDER BY stage_id",
        finds=[("LEAD generation", "1"), ("qualified lead", "2")],
        changes_marts=True,
    ),
    # Read, with a warning
    Case(
        "unknown column",
        {
            "users.csv": EXPORT["users.csv"]
            .replace("\n", ",Quixote\n")
            .replace(",Quixote\n", ",nickname\n", 1)
        },
        happens="not used; its text must be UTF-8 all the same",
        warns=frozenset({"raw_users: columns_are_known"}),
    ),
    Case(
        "header and no rows",
        {name: header_of(name) for name in ("activity.csv", "activity_types.csv")},
        happens="an empty table",
        warns=frozenset({"raw_activity: has_rows", "raw_activity_types: has_rows"}),
        query="SELECT count(*) FROM staging.stg_activities",
        finds=[(0,)],
        changes_marts=True,
    ),
    Case(
        "text `NULL`, `None`, `NA` as a name",
        with_lines("stages.csv", "3,NULL", "4,None", "5,NA"),
        happens="a name like any other",
        warns=frozenset({f"stg_stages: {UNKNOWN_STEP}"}),
        query="SELECT stage_name FROM staging.stg_stages WHERE stage_id > 2 ORDER BY stage_id",
        finds=[("NULL",), ("None",), ("NA",)],
    ),
    Case(
        "rows that share a key, in activity and deal_changes",
        with_lines("activity.csv", "3,sc_2,1,7,False,2024-01-09 09:00:00")
        | with_lines(
            "deal_changes.csv",
            "8,2024-02-02 08:00:00,stage_id,2",
            "8,2024-02-02 08:00:00,user_id,1",
            "7,2024-02-01 08:00:00,lost_reason,1.0",
        ),
        happens="all are kept",
        warns=frozenset(
            {
                "stg_activities: unique(activity_id)",
                "stg_deal_stage_changes: one_change_at_a_time",
                "stg_deal_owner_changes: one_change_at_a_time",
                "int_deal_losses: unique(deal_id, lost_at)",
            }
        ),
        query="SELECT (SELECT count(*) FROM staging.stg_activities WHERE activity_id = 3),"
        " (SELECT count(*) FROM staging.stg_deal_changes"
        " WHERE changed_at IN ('2024-02-01 08:00', '2024-02-02 08:00'))",
        finds=[(2, 7)],
        changes_marts=True,
    ),
    Case(
        "rows that share a key, in users, stages, activity_types, fields and deals",
        with_lines("activity_types.csv", "1,First call,Yes,meeting")
        | with_lines("deals.csv", "8,won")
        | with_lines("fields.csv", "5,title,Name,")
        | with_lines("stages.csv", "1,Lead-Generation")
        | with_lines("users.csv", "1,Quixote,zebulonius.1@quixote.example,2023-12-31"),
        happens="the latest wins",
        warns=frozenset(
            {
                "raw_activity_types: unique(id)",
                "raw_deals: unique(deal_id)",
                "raw_fields: unique(id)",
                "raw_stages: unique(stage_id)",
                "raw_users: unique(id)",
                "stg_deals: closing_time_is_known",
            }
        ),
        query="SELECT"
        " (SELECT activity_type_name FROM staging.stg_activity_types WHERE activity_type_id = 1),"
        " (SELECT status FROM staging.stg_deals WHERE deal_id = 8),"
        " (SELECT field_name FROM staging.stg_fields WHERE field_id = 5),"
        " (SELECT stage_name FROM staging.stg_stages WHERE stage_id = 1),"
        " (SELECT name_masked FROM staging.stg_users WHERE user_id = 1)",
        finds=[("First call", "won", "Name", "Lead-Generation", "Z*** Q***")],
        changes_marts=True,
    ),
    Case(
        "unknown activity type",
        with_lines("activity.csv", "4,smoke_signal,2,8,False,2024-02-07 09:00:00"),
        happens="kept, without a step",
        is_in_the_mix=True,
        warns=frozenset(
            {"stg_activities: references(activity_type, stg_activity_types.activity_type)"}
        ),
        query="SELECT activity_type FROM staging.stg_activities WHERE activity_id = 4",
        finds=[("smoke_signal",)],
    ),
    Case(
        "activity of a deal that was deleted",
        with_lines("activity.csv", "4,meeting,2,99,True,2024-02-07 09:00:00"),
        happens="counted in its step",
        warns=frozenset(
            {
                "stg_activities: references(deal_id, stg_deals.deal_id)",
                "int_deal_funnel_entries: references(deal_id, stg_deals.deal_id)",
            }
        ),
        query="SELECT deals_count FROM marts.rep_sales_funnel_monthly"
        " WHERE funnel_step = '2.1' AND deals_count > 0 ORDER BY month",
        finds=[(1,), (1,)],
        changes_marts=True,
    ),
    Case(
        "unknown stage",
        with_lines("deal_changes.csv", "8,2024-02-04 08:00:00,stage_id,99"),
        happens="kept, without a step",
        warns=frozenset(
            {
                "stg_deals: references(stage_id, stg_stages.stage_id)",
                "int_deal_stage_transitions: references(stage_id, stg_stages.stage_id)",
                f"int_deal_stage_transitions: {UNKNOWN_STEP}",
            }
        ),
        query="SELECT stage_id, funnel_step FROM marts.obt_deals WHERE deal_id = 8",
        finds=[(99, None)],
        changes_marts=True,
    ),
    Case(
        "unknown user",
        with_lines("deal_changes.csv", "8,2024-02-04 08:00:00,user_id,99")
        | with_lines("activity.csv", "4,meeting,99,8,False,2024-02-07 09:00:00"),
        happens="kept, without a name",
        warns=frozenset(
            {
                "stg_deals: references(user_id, stg_users.user_id)",
                "stg_activities: references(user_id, stg_users.user_id)",
            }
        ),
        query="SELECT user_id, sales_rep_name FROM marts.obt_deals WHERE deal_id = 8",
        finds=[(99, None)],
        changes_marts=True,
    ),
    Case(
        "unknown field key",
        with_lines("deal_changes.csv", "8,2024-02-04 08:00:00,favourite,Quixote"),
        happens="kept, its value under a pseudonym",
        is_in_the_mix=True,
        warns=frozenset({"stg_deal_changes: references(changed_field_key, stg_fields.field_key)"}),
        query="SELECT count(*) FROM staging.stg_deal_changes"
        " WHERE changed_field_key = 'favourite' AND new_value LIKE '~%'",
        finds=[(1,)],
    ),
    Case(
        "unknown status of a deal",
        with_other("deals.csv", ("8,open", "8,deleted")),
        happens="what the change log says counts",
        warns=frozenset({"deal_observations: last_status_is_known"}),
        query="SELECT status FROM staging.stg_deals WHERE deal_id = 8",
        finds=[("open",)],
    ),
    Case(
        "deal that is won or lost, and nothing says when",
        with_other("deals.csv", ("8,open", "8,won")),
        happens="counted among the deals, and in no month",
        warns=frozenset({"stg_deals: closing_time_is_known"}),
        query="SELECT status, closed_at FROM staging.stg_deals WHERE deal_id = 8",
        finds=[("won", None)],
        changes_marts=True,
    ),
    Case(
        "unknown reason of a loss",
        with_other("deal_changes.csv", ("lost_reason,1", "lost_reason,99")),
        happens='counted as "Unknown reason"',
        warns=frozenset({"int_deal_losses: reason_is_an_option"}),
        query="SELECT DISTINCT lost_reason_label FROM marts.rep_losses_monthly",
        finds=[("Unknown reason",)],
        changes_marts=True,
    ),
    Case(
        "date in the future",
        with_lines("deal_changes.csv", "8,2199-01-01 08:00:00,title,Quixote"),
        happens="counts like any other, but open stays are not measured up to it",
        warns=frozenset({"stg_deal_changes: has_happened(changed_at)"}),
        query="SELECT max(as_of) FROM quality.runs",
        finds=[(datetime(2024, 2, 8, 9),)],
        changes_marts=True,
    ),
    Case(
        "time in the future in the deals table",
        {"deals.csv": "deal_id,status,won_time\n7,lost,\n8,won,2199-01-01 08:00:00\n"},
        happens="counts like any other, but open stays are not measured up to it",
        warns=frozenset({"stg_deals: has_happened(closed_at)"}),
        query="SELECT max(as_of) FROM quality.runs",
        finds=[(datetime(2024, 2, 8, 9),)],
        changes_marts=True,
    ),
    Case(
        "currency that has not three letters",
        {"deals.csv": "deal_id,status,currency\n7,lost,eur\n8,open,Zebulonius Quixote\n"},
        happens="kept, under a pseudonym; not in the history",
        warns=frozenset({"stg_deals: currency_has_three_letters"}),
        query="SELECT currency FROM staging.stg_deals WHERE currency NOT LIKE '~%'",
        finds=[("EUR",)],
        changes_marts=True,
    ),
    # Rejected rows
    Case(
        "Latin-1",
        {"users.csv": EXPORT["users.csv"].encode() + "3,Quixote ö,,\n".encode("latin-1")},
        rejected={"users": [(4, None, "not UTF-8")]},
        rows={"users": 3},
    ),
    Case(
        "header repeated further down",
        with_lines("users.csv", header_of("users.csv").strip()),
        rejected={"users": [(4, "id", NOT_WHOLE), (4, "modified", NOT_TIME)]},
    ),
    Case(
        "last line cut off",
        {"users.csv": EXPORT["users.csv"] + "3,Quixote"},
        rejected={"users": [(4, None, "too few columns")]},
    ),
    Case(
        "NUL byte",
        with_lines("stages.csv", "3,Quixote\0")
        | with_lines("users.csv", "3,\0Quixote,,", "4,,Quixote\0,"),
        rejected={
            "stages": [(4, "stage_name", "a NUL character")],
            "users": [(4, "name", "a NUL character"), (5, "email", "a NUL character")],
        },
    ),
    Case(
        "bad, ambiguous or out-of-range timestamp",
        with_lines(
            "users.csv",
            *(
                f"{place},Quixote,,{text}"
                for place, text in enumerate(
                    [
                        "Quixote",
                        "24:61",
                        "infinity",
                        "today",
                        "1704067200",
                        "01/02/2024",
                        "01.02.2024 10:00",
                        "2024-1-2",
                        "2024-01-02 08:00:00 CET",
                        "2024-02-30",
                        "2024-01-01 25:00:00",
                        "1969-12-31 23:59:59",
                        "2200-01-01",
                    ],
                    3,
                )
            ),
        ),
        rejected={"users": [(line, "modified", NOT_TIME) for line in range(4, 17)]},
    ),
    Case(
        "id like 7.5 or 4e3, of more than 18 digits, or the text `NULL`, `None`, `NA`",
        with_lines(
            "activity.csv",
            "4.5,meeting,2,8,True,2024-02-07 09:00:00",
            "4e3,meeting,2,8,True,2024-02-07 09:00:00",
            "9223372036854775808,meeting,2,8,True,2024-02-07 09:00:00",
            "NULL,meeting,2,8,True,2024-02-07 09:00:00",
            "5,meeting,None,8,True,2024-02-07 09:00:00",
            "6,meeting,2,NA,True,2024-02-07 09:00:00",
        ),
        rejected={
            "activity": [
                (5, "activity_id", NOT_WHOLE),
                (6, "activity_id", NOT_WHOLE),
                (7, "activity_id", NOT_WHOLE),
                (8, "activity_id", NOT_WHOLE),
                (9, "assigned_to_user", NOT_WHOLE),
                (10, "deal_id", NOT_WHOLE),
            ]
        },
    ),
    Case(
        "broken JSON options",
        with_lines(
            "fields.csv",
            '9,colour,Colour,"[{""id"": 1, ""label"": ""Quixote"""',
            '10,size,Size,"{""id"": 1}"',
        ),
        rejected={
            "fields": [
                (7, "field_value_options", "not a JSON list"),
                (8, "field_value_options", "not a JSON list"),
            ]
        },
    ),
    # Refused
    Case(
        "UTF-16",
        each(lambda text: text.encode("utf-16")),
        refused="line 1: not UTF-8; save the file as UTF-8",
    ),
    Case(
        "semicolons",
        each(lambda text: text.replace(",", ";")),
        refused="line 1: the columns are separated by semicolons; save the file with commas",
    ),
    Case(
        "tabs",
        each(lambda text: text.replace(",", "\t")),
        refused="line 1: the columns are separated by tabs; save the file with commas",
    ),
    Case(
        "no header",
        {"users.csv": EXPORT["users.csv"].partition("\n")[2]},
        refused="line 1: no known column among 4; the first line must name them",
    ),
    Case(
        "column named twice",
        with_other("stages.csv", ("stage_id,stage_name", "stage_id,stage_name,stage_name")),
        refused="line 1: the column stage_name is there twice",
    ),
    Case(
        "missing column",
        with_other("users.csv", ("email", "mail")),
        refused="line 1: missing column email (found id, name, modified among 4)",
    ),
    Case(
        "empty file", {"users.csv": ""}, refused="the file is empty; export the table users again"
    ),
    Case(
        "missing required file",
        {"users.csv": None},
        refused="the table users is missing; add one of users.csv, users.csv.gz, users.parquet",
    ),
    Case(
        "two files for one table",
        {"users.csv.gz": ZIPPED_USERS},
        refused="users.csv and users.csv.gz are both there; keep one of them",
    ),
    Case(
        "lines that end in different ways",
        each(every_other_as_on_windows),
        refused="its lines end in different ways; export it again",
    ),
    Case(
        "quote that is not closed",
        with_lines("users.csv", '3,"Quixote,,'),
        refused="line 4: a quote is opened and not closed, or not within 8 MiB; close or double it",
    ),
    Case(
        "line of more than 7 MiB",
        with_lines("users.csv", f"3,{'Quixote' * 1_200_000},,"),
        refused="line 4: longer than 7 MiB; shorten it, or leave it out",
    ),
    Case(
        ".gz that was cut off",
        {"users.csv": None, "users.csv.gz": ZIPPED_USERS[:-12]},
        refused="users.csv.gz: cannot be read: the file is damaged",
    ),
    Case(
        "file that must not be read",
        unreadable="users.csv",
        refused="users.csv: cannot be read: Permission denied",
    ),
    Case(
        "file in place of the folder",
        source="users.csv",
        refused="cannot read the source folder: Not a directory; give the folder that holds",
    ),
]

# Not of the export: each has a test of its own.
OTHERS = [
    Proven(
        "time that clocks in `FUNNEL_SOURCE_TIMEZONE` show twice or never",
        REJECTED,
        "warning: `rows_can_be_read`; place and reason in `quality.rejected_rows`",
        "tests/flows/warehouse/test_landing.py"
        "::test_a_time_that_clocks_show_twice_or_never_is_rejected",
    ),
    Proven(
        "id in a float that is too large for it (from 2^53)",
        REJECTED,
        "warning: `rows_can_be_read`; place and reason in `quality.rejected_rows`",
        "tests/flows/warehouse/test_landing.py"
        "::test_an_id_that_a_float_may_stand_for_a_neighbour_of_is_rejected",
    ),
    Proven(
        "killed (`kill -9`), or the machine stops",
        "the old results stay, the next run tidies up",
        "`crashed` in `quality.runs`, from the next run on",
        "tests/flows/test_kills.py"
        "::test_whenever_runs_are_ended_there_is_a_whole_run_and_the_next_one_succeeds",
    ),
    Proven(
        "Ctrl-C, SIGTERM",
        "exit code 130 or 143, nothing is changed",
        "`Stopped; nothing was changed.`",
        "tests/flows/test_main.py::test_a_signal_ends_the_run_and_changes_nothing",
    ),
    Proven(
        "another run holds the warehouse",
        "exit code 75, nothing is changed",
        "`another run holds the warehouse`, and which process",
        "tests/flows/test_main.py::test_a_busy_warehouse_ends_with_75",
    ),
    Proven(
        "too many rejected rows: more than 0.1 % of a table, and so any of a small one"
        " (`FUNNEL_MAX_REJECTED_PCT`)",
        "exit code 2, nothing is changed",
        "the first such lines, with column and reason, and the percentage that would do",
        "tests/flows/test_main.py::test_an_export_with_too_many_rejected_rows_is_refused",
    ),
    Proven(
        "check of severity error that fails",
        "exit code 1, the old tables stay",
        "the check; `stopped` in `quality.runs`",
        "tests/flows/test_main.py::test_a_failing_check_ends_with_1_and_is_named",
    ),
    Proven(
        "file that is no warehouse",
        "exit code 2, nothing is changed",
        "`not a DuckDB file`",
        "tests/flows/test_main.py::test_a_file_that_is_not_a_warehouse_is_left_alone",
    ),
    Proven(
        "report that cannot be written",
        "exit code 2, nothing is changed",
        "`cannot write the report`",
        "tests/flows/test_main.py"
        "::test_a_report_that_cannot_be_written_is_named_and_nothing_is_published",
    ),
    Proven(
        "warehouse that is damaged, cut off, or made by a newer DuckDB",
        "exit code 2, nothing is changed",
        "what is wrong with the file",
        "tests/flows/warehouse/test_duckdb.py::test_a_file_that_duckdb_cannot_read_is_left_alone",
    ),
    Proven(
        "warehouse that must only be read",
        "exit code 2, nothing is changed",
        "the file, `read-only`",
        "tests/flows/warehouse/test_duckdb.py::test_a_file_to_read_only_is_refused_and_not_replaced",
    ),
    Proven(
        "warehouse that another program has open for writing",
        "exit code 75, nothing is changed",
        "which process; close it",
        "tests/flows/warehouse/test_duckdb.py::test_a_process_that_writes_is_named",
    ),
    Proven(
        "full disk, here or on the server",
        "exit code 1, the old results stay",
        "the file, `the disk is full`",
        "tests/flows/warehouse/test_disk_full.py::test_a_full_disk_under_a_duckdb_file",
    ),
    Proven(
        "too little memory",
        "exit code 1, the old results stay",
        "`raise FUNNEL_MEMORY_LIMIT`, and what it is",
        "tests/flows/test_limits.py"
        "::test_a_run_that_needs_more_memory_names_the_setting_and_changes_nothing",
    ),
    Proven(
        "too little disk for what does not fit into memory",
        "exit code 1, the old results stay",
        "the folder, and `raise FUNNEL_TEMP_LIMIT`",
        "tests/flows/test_limits.py"
        "::test_a_run_that_needs_more_disk_names_the_folder_and_the_setting",
    ),
    Proven(
        "file larger than is allowed (`ulimit -f`)",
        "exit code 1, the old results stay",
        "the file",
        "tests/flows/test_limits.py::test_a_file_that_would_be_larger_than_is_allowed_is_named",
    ),
]


def table() -> str:
    """The table of the README; faults with the same words share a row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for fault in (*CASES, *OTHERS):
        rows.setdefault(fault.in_words, []).append(fault.name)
    lines = [
        f"| {'; '.join(names)} | {happens} | {seen} |\n" for (happens, seen), names in rows.items()
    ]
    return "| fault | what happens | what you see |\n| --- | --- | --- |\n" + "".join(lines)


if __name__ == "__main__":
    README.write_text(TABLE.sub(lambda _: table(), README.read_text()))
