"""No personal value, and no key, is in anything that a run leaves behind.

Canaries are planted in an export wherever a person can be in one. After runs that end well and
badly, every file is searched for them: as it is, decoded, unpacked, and table by table.
"""

import base64
import gzip
import json
import pickle
import signal
import sqlite3
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pytest

from tests.flows.canaries import found_below, found_in, in_base64, spellings

# Words that are in no other text. One has letters that JSON, HTML and URLs write in other ways.
CANARIES = {
    "first name": "Zebulonius",
    "last name": "Quixotemountain",
    "name with accents": "Żółwińska",
    "address": "zq.heron@quixote-mail.example",
    "host of an address": "quixote-mail",
    "free text": "Ruritanian",
    "phone number": "4917055501884",
    "ignored column": "Grumblethorpe",
    "number that is none": "Wobblyduck",
    "misshapen line": "Fizzlewick",
    "line in another encoding": "Dapplegrimm",
    "behind an open quote": "Snorkelby",
    "without a header": "Pimpernelson",
}


# The searcher can find


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip within": lambda data: b"\x1f\x8b\x08 no " + gzip.compress(data) + b"more",
    "zlib": zlib.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "gzip in base64": lambda data: base64.b64encode(gzip.compress(data)),
    "zlib in base64": lambda data: b'"' + base64.urlsafe_b64encode(zlib.compress(data)) + b'"',
    "base64 in lines": lambda data: base64.encodebytes(b"x" * 50 + data),
    "gzip in base64 in lines": lambda data: base64.encodebytes(gzip.compress(data * 9)),
    "pickle": pickle.dumps,
    "pickle in base64": lambda data: base64.b64encode(pickle.dumps(data)),
    "base64 +1": lambda data: base64.b64encode(b"x" + data + b"yz"),
    "base64 +2": lambda data: base64.b64encode(b"xy" + data + b"z"),
    "hex": lambda data: data.hex().encode(),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("word", ["Quixotemountain", "Żółwińska", "a@b.example"])
def test_the_searcher_finds_a_word_however_it_is_packed(word, packing, encoding):
    data = PACKINGS[packing](f"Hello {word}!".encode(encoding))
    assert found_in(b"before " + data + b" after", spellings(word))
    assert not found_in(b"before " + data + b" after", spellings("Grumblethorpe"))


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("word", ["Ruritanian", "Ruritania", "Ruritani"])
def test_the_searcher_finds_a_word_in_base64_whatever_is_around_it(word, before, after):
    text = base64.b64encode(b"\xff" * before + word.encode() + b"\xff" * after)
    assert found_in(text, spellings(word))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps("Żółwińska"),
        "&#379;&#243;&#322;wi&#324;ska",
        quote("Żółwińska"),
        "ŻÓŁWIŃSKA",
        sha256("żółwińska".encode()).hexdigest(),
    ],
    ids=["JSON", "HTML", "URL", "upper case", "hash without a key"],
)
def test_the_searcher_finds_a_word_however_it_is_written(text):
    assert found_in(text.encode(), spellings("Żółwińska"))


def test_the_searcher_finds_a_cell_of_sqlite(tmp_path):
    connection = sqlite3.connect(tmp_path / "records.db")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE logs (message, data)")
    connection.execute("INSERT INTO logs VALUES (?, ?)", ["x", gzip.compress(b"Ruritanian")])
    connection.commit()
    assert found_below(tmp_path, spellings("Ruritanian"))
    connection.close()


def test_the_searcher_finds_a_cell_of_duckdb_that_is_stored_compressed(tmp_path):
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 'Mr Ruritanian of room ' || n * 7919 % 10007 AS name"
            " FROM range(300000) AS numbers(n)"
        )
    assert b"Ruritanian" not in (tmp_path / "w.duckdb").read_bytes()
    assert found_below(tmp_path, spellings("Ruritanian"))


def test_the_searcher_finds_a_cell_of_parquet(tmp_path):
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'Mr Ruritanian of room ' || n % 7 AS name FROM range(9000) AS numbers(n))"
            f" TO '{tmp_path}/t.parquet' (FORMAT parquet, COMPRESSION snappy)"
        )
    assert found_below(tmp_path, spellings("Ruritanian"))


def test_the_searcher_finds_the_name_of_a_file(tmp_path):
    (tmp_path / "Ruritanian").mkdir()
    assert "Ruritanian: Ruritanian utf-8" in found_below(tmp_path, spellings("Ruritanian"))


def test_the_searcher_does_not_find_what_is_not_there(tmp_path):
    (tmp_path / "file").write_bytes(b"Ruritania n " * 1000)
    assert found_below(tmp_path, spellings("Ruritanian")) == set()


# The runs

USERS = """
    id,name,email,modified,nickname
    1,Zebulonius Quixotemountain,zq.heron@quixote-mail.example,2024-01-01 00:00:00,Grumblethorpe
    2,"Żółwińska, Zebulonius",ZQ.HERON@quixote-mail.example,2024-01-01 00:00:00,Grumblethorpe
    """
REJECTED_USERS = """
    Wobblyduck,Zebulonius,zq.heron@quixote-mail.example,2024-01-01 00:00:00,Grumblethorpe
    4,Żółwińska,zq.heron@quixote-mail.example,Wobblyduck,Grumblethorpe
    5,Fizzlewick
    6,Fizzlewick,zq.heron@quixote-mail.example,2024-01-01 00:00:00,Grumblethorpe,Fizzlewick
    """
CHANGES = """
    deal_id,change_time,changed_field_key,new_value,comment
    7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00,Ruritanian
    7,2024-01-02 08:00:00,user_id,1,Grumblethorpe
    7,2024-01-02 08:00:00,stage_id,Ruritanian,
    7,2024-01-02 08:00:00,stage_id,1,
    7,2024-02-01 08:00:00,lost_reason,"Ruritanian, asked by Zebulonius Quixotemountain",
    8,2024-02-02 08:00:00,title,Żółwińska,
    8,2024-02-02 08:00:00,phone,+4917055501884,
    8,2024-02-02 08:00:00,mobile,004917055501884,
    8,2024-02-02 08:00:00,lost_reason,4917055501884,
    8,2024-02-02 08:00:00,user_id,+49 17055501884,
    8,2024-02-02 08:00:00,owner_name,zq.heron@quixote-mail.example,
    Wobblyduck,Wobblyduck,title,Ruritanian,
    """
EXPORTS = {
    "ok": {"users": USERS + REJECTED_USERS.lstrip("\n"), "deal_changes": CHANGES},
    "open quote": {"users": USERS + '    7,"Snorkelby,,,\n    8,Snorkelby,,,\n'},
    "text behind a quote": {"users": USERS + '    7,"Snorkelby"Snorkelby,,,\n'},
    "no header": {"users": "1,Pimpernelson,zq.heron@quixote-mail.example,2024-01-01\n"},
    "other encoding": {
        "users": b"id,name,email,modified\n" + "7,Dapplegrimm ö,,\n".encode("latin-1") * 9999
    },
}


class Runs:
    """Runs on all these exports, with one Prefect server; it is stopped when they are done."""

    def __init__(self, folder: Path, prefect_server_in, new_sandbox, small_export) -> None:
        self.folder = folder / "left"  # the exports are beside it, not in it
        self.prefect = self.folder / "prefect_server"
        sources = {name: small_export(folder / name, **tables) for name, tables in EXPORTS.items()}
        with prefect_server_in(self.prefect) as api_url:
            self.sandbox = new_sandbox(self.folder / "runs", api_url)
            self.codes = {
                "ok": self.run("ok", sources["ok"], max_rejected_pct=100),
                "too many rejected": self.run("too many rejected", sources["ok"]),
                "no memory": self.run("no memory", sources["ok"], memory_limit="30MB"),
                "stopped by a check": self.run_to_a_broken_rule(sources["ok"]),
            }
            others = {
                "max_rejected_pct": 100,
                "incremental": True,
                "warehouse": f"duckdb://{self.folder}/incremental.duckdb",
            }
            for name in ("incremental", "incremental again"):
                self.codes[name] = self.run(name, sources["ok"], **others)
            self.codes |= {
                name: self.run(name, source) for name, source in sources.items() if name != "ok"
            }
            self.killed = new_sandbox(self.folder / "killed", api_url)
            self.kill(sources["ok"])
        self.key = (self.sandbox.folder / "masking_key").read_bytes().strip()

    def run(self, name: str, source: Path, **settings: object) -> int:
        """The exit code of a run."""
        export = self.sandbox.exports
        return self.keep(name, self.sandbox.run("--source", source, export=export, **settings))

    def run_to_a_broken_rule(self, source: Path) -> int:
        """The exit code of a run that a check stops."""
        done = self.sandbox.run_with_a_broken_rule("--source", source, max_rejected_pct=100)
        return self.keep("stopped by a check", done)

    def keep(self, name: str, done: "CompletedProcess[str]") -> int:
        """Keep what was printed, as a file."""
        (self.folder / f"output of {name}.txt").write_text(done.stdout + done.stderr)
        return done.returncode

    def kill(self, source: Path) -> None:
        """A run that is killed when it has read the personal values."""
        with self.killed.start("--source", source, max_rejected_pct=100) as process:
            assert any(line.startswith("stg_deal_changes") for line in process.stderr)
            process.send_signal(signal.SIGKILL)

    def query(self, file: Path, sql: str) -> list[Any]:
        """The first column of rows of the warehouse or of Prefect's records."""
        if file.suffix == ".duckdb":
            with duckdb.connect(str(file), read_only=True) as connection:
                return [row[0] for row in connection.execute(sql).fetchall()]
        connection = sqlite3.connect(file)
        try:
            return [row[0] for row in connection.execute(sql)]
        finally:
            connection.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, prefect_server_in, new_sandbox, small_export) -> Runs:
    """What the runs have left."""
    folder = tmp_path_factory.mktemp("privacy")
    return Runs(folder, prefect_server_in, new_sandbox, small_export)


def test_the_runs_ended_as_they_should(runs):
    assert runs.codes == {
        "ok": 0,
        "too many rejected": 2,
        "no memory": 1,
        "stopped by a check": 1,
        "incremental": 0,
        "incremental again": 0,
        "open quote": 2,
        "text behind a quote": 2,
        "no header": 2,
        "other encoding": 2,
    }


def test_the_planted_people_were_read(runs):
    names = runs.query(runs.sandbox.warehouse, "SELECT name_masked FROM staging.stg_users")
    assert sorted(names) == ["Z*** Q***", "Ż*** Z***"]


def test_the_planted_people_are_kept_for_the_next_run(runs):
    kept = "SELECT name_masked FROM landed.raw_users"
    names = runs.query(runs.folder / "incremental.duckdb", kept)
    assert sorted(names) == ["Z*** Q***", "Ż*** Z***"]


def test_the_planted_text_was_read(runs):
    values = runs.query(
        runs.sandbox.warehouse,
        "SELECT new_value FROM staging.stg_deal_changes WHERE new_value LIKE '~%'",
    )
    assert len(values) == 8


def test_the_planted_rejected_rows_were_told(runs):
    reasons = runs.query(
        runs.sandbox.warehouse,
        "SELECT rejected_rows.reason FROM quality.rejected_rows JOIN quality.runs USING (run_id)"
        " WHERE status = 'published'",
    )
    assert len(reasons) == 6


def test_prefect_has_records_of_the_runs(runs):
    records = runs.prefect / "prefect.db"
    assert runs.query(records, "SELECT count(*) FROM flow_run") > [4]
    assert runs.query(records, "SELECT count(*) FROM log WHERE message LIKE 'raw_users%'") > [1]
    assert runs.query(records, "SELECT count(*) FROM artifact WHERE data IS NOT NULL") > [1]
    assert runs.query(records, "SELECT count(*) FROM events") > [100]


def test_there_are_exported_files_and_kept_reports_to_search(runs):
    exported = {file.name for file in runs.sandbox.exports.iterdir()}
    assert {"obt_deals.csv", "obt_deals.parquet", "rejected_rows.csv"} <= exported
    assert b"Z*** Q***" in (runs.sandbox.exports / "obt_deals.csv").read_bytes()
    assert len(runs.sandbox.kept()) == 3  # of the runs that were published


def test_the_killed_run_left_a_file_to_search(runs):
    assert (runs.killed.folder / ".sales.duckdb.building").exists()


@pytest.mark.parametrize("kind", CANARIES)
def test_no_personal_value_is_left_anywhere(runs, kind):
    assert found_below(runs.folder, spellings(CANARIES[kind])) == set()


def test_the_key_is_left_in_its_file_only(runs):
    block = runs.key.ljust(64, b"\0")
    needles = {}
    for name, mask in (("key", 0), ("inner pad", 0x36), ("outer pad", 0x5C)):
        data = bytes(byte ^ mask for byte in block)[: len(runs.key)]
        needles |= {name: data, f"{name} hex": data.hex().encode()}
        needles |= {f"{name} {how}": text for how, text in in_base64(data).items()}
        needles[f"{name} escaped"] = "".join(f"\\x{byte:02X}" for byte in data).encode()
    needles |= {"key bytes": bytes.fromhex(runs.key.decode())}
    found = found_below(runs.sandbox.folder, needles, but=runs.sandbox.folder / "masking_key")
    assert found | found_below(runs.prefect, needles) == set()


def test_prefect_keeps_nothing_of_a_run_but_our_own_error(runs):
    kept = [file.read_bytes() for file in runs.folder.rglob("storage/*")]
    assert len(kept) <= len([code for code in runs.codes.values() if code])
    assert all(b"flows.errors" in base64.b64decode(content) for content in kept)


SPILLING = """
    import sys, time
    from pathlib import Path
    from flows.warehouse.duckdb import DuckDBWarehouse
    from flows.warehouse.folder import find_export
    from flows.warehouse.limits import Limits

    warehouse = DuckDBWarehouse(Path(sys.argv[1]), Limits(memory=45_000_000))
    with warehouse.held(), warehouse.run(), warehouse.masking(b"a key for the tests"):
        warehouse.backend.raw_sql("SET threads = 1; SET enable_progress_bar = false")
        warehouse.land(find_export(Path(sys.argv[2]))["users"], "UTC")
        print("ready", flush=True)
        time.sleep(60)
    """


def test_what_a_killed_run_has_spilled_holds_no_personal_value(export, start, tmp_path):
    row = "{n},Zebulonius {n},zq.heron{n}@quixote-mail.example,2024-01-01 00:00:00"
    rows = "\n".join(row.format(n=n) for n in range(150_000))
    folder = export(users=f"id,name,email,modified\n{rows}\n")
    killed = start(SPILLING, tmp_path / "sales.duckdb", folder)
    killed.kill()
    killed.wait()
    spilled = tmp_path / ".sales.duckdb.building.tmp"
    assert sum(file.stat().st_size for file in spilled.iterdir()) > 1_000_000
    needles = {name: name.encode() for name in ("Zebulonius", "zq.heron", "quixote-mail", "Z***")}
    found = {name.partition(": ")[2] for name in found_below(spilled, needles)}
    assert found == {"Z***"}  # as a name is masked: the rows are there
