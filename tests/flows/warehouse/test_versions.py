"""A folder of versions: readers see one of them, whole, whatever runs do."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from flows.errors import InputError
from flows.warehouse.limits import Limits, memory_of
from flows.warehouse.read_only import open_to_look
from flows.warehouse.versions import building_in, check_folder, put_in_place, tables


def publish(folder: Path, *made: str, stays: bool = True, afresh: bool = False) -> None:
    """A run that made these tables; each says its name, and how many were made."""
    with building_in(folder) as building:
        finished = building / "tables"
        for table in made:
            place = finished / table
            place.mkdir(parents=True)
            said = f"{table} of {len(made)}"
            duckdb.sql(f"SELECT '{said}' AS said").write_parquet(f"{place}/1.parquet")
        put_in_place(folder, finished, lambda *_: stays, afresh=afresh)


def seen(folder: Path) -> list[str]:
    """The tables that readers see."""
    return [f"{schema}/{name}" for schema, name in tables(folder / "current")]


def test_readers_see_the_newest_version(tmp_path):
    publish(tmp_path / "sales", "marts/one")
    publish(tmp_path / "sales", "marts/two", stays=False)
    assert seen(tmp_path / "sales") == ["marts/two"]


def test_tables_that_stay_are_the_same_files(tmp_path):
    publish(tmp_path / "sales", "marts/one", "quality/runs")
    before = (tmp_path / "sales/current/quality/runs/1.parquet").stat()
    publish(tmp_path / "sales", "marts/one")
    after = (tmp_path / "sales/current/quality/runs/1.parquet").stat()
    assert seen(tmp_path / "sales") == ["marts/one", "quality/runs"]
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_who_reads_a_version_can_go_on_until_the_run_after_the_next(tmp_path):
    publish(tmp_path / "sales", "marts/one", "quality/runs", "quality/scores")
    reader = open_to_look(f"spark://nobody:7077?catalog={tmp_path}/sales")
    publish(tmp_path / "sales", "marts/one", "quality/runs", "marts/two")
    [[said]] = reader.raw_sql("FROM marts.one").fetchall()
    assert said == "marts/one of 3"
    publish(tmp_path / "sales", "marts/one")
    assert len([*(tmp_path / "sales/versions").iterdir()]) == 2
    reader.disconnect()


def test_who_reads_a_version_keeps_to_the_limits(tmp_path):
    publish(tmp_path / "sales", "marts/one", "quality/runs")
    reader = open_to_look(f"spark://nobody:7077?catalog={tmp_path}/sales", Limits(100_000_000))
    assert memory_of(reader) == pytest.approx(100_000_000, rel=0.01)
    reader.disconnect()


def test_of_a_run_afresh_nothing_of_before_is_left(tmp_path):
    publish(tmp_path / "sales", "marts/one")
    publish(tmp_path / "sales", "marts/one", stays=False, afresh=True)
    assert [each.name for each in (tmp_path / "sales/versions").iterdir()] == ["000002"]


@pytest.mark.parametrize("mode", [0o500, 0o300])
def test_if_nothing_of_before_is_to_be_left_and_cannot_go_nothing_is_published(
    without_privileges, mode
):
    with TemporaryDirectory() as place:
        publish(folder := Path(place, "sales"), "marts/one")
        of_somebody_else = folder / "versions/000001/marts/one"
        of_somebody_else.chmod(mode)
        with pytest.raises(InputError, match=r"marts/one: may not be deleted, and nothing of"):
            publish(folder, "marts/two", stays=False, afresh=True)
        assert seen(folder) == ["marts/one"]
        publish(folder, "marts/two", stays=False)  # else it may stay
        of_somebody_else.chmod(0o700)
        publish(folder, "marts/two", stays=False, afresh=True)
        assert [each.name for each in (folder / "versions").iterdir()] == ["000003"]


def test_a_version_that_was_never_shown_goes(tmp_path):
    publish(tmp_path / "sales", "marts/one")
    (tmp_path / "sales/versions/000002/marts/one").mkdir(parents=True)  # killed before the link
    publish(tmp_path / "sales", "marts/two")
    found = sorted(each.name for each in (tmp_path / "sales/versions").iterdir())
    assert found == ["000001", "000003"]
    assert seen(tmp_path / "sales") == ["marts/one", "marts/two"]


def test_a_first_run_that_was_killed_at_its_end_is_no_obstacle(tmp_path):
    (tmp_path / "sales/versions/000001/marts/one").mkdir(parents=True)
    (tmp_path / "sales/.current").symlink_to("versions/000001")
    check_folder(tmp_path / "sales")
    publish(tmp_path / "sales", "marts/two")
    assert seen(tmp_path / "sales") == ["marts/two"]
    assert not (tmp_path / "sales/.current").is_symlink()


def test_what_killed_runs_left_goes(tmp_path):
    with building_in(tmp_path / "sales") as left:
        (tmp_path / "sales/.building-killed").mkdir()
        assert left.is_dir()
    with building_in(tmp_path / "sales"):
        pass
    assert [each.name for each in (tmp_path / "sales").iterdir()] == ["versions"]


def test_who_may_read_the_folder_may_read_its_tables(tmp_path):
    publish(tmp_path / "sales", "marts/one")
    (tmp_path / "sales").chmod(0o750)
    publish(tmp_path / "sales", "marts/one")
    table = tmp_path / "sales/current/marts/one"
    modes = [oct(each.stat().st_mode & 0o777) for each in (table, table / "1.parquet")]
    assert modes == ["0o750", "0o640"]


@pytest.mark.parametrize("inside", ["photo.jpg", "letters/a.txt", "versions/1.0/a.txt"])
def test_a_folder_with_other_files_in_it_is_refused(tmp_path, inside):
    file = tmp_path / "mine" / inside
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(InputError, match="has other files in it; name a folder of its own"):
        check_folder(tmp_path / "mine")


def test_a_file_is_refused(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="is no folder"):
        check_folder(tmp_path / "mine")


def test_there_is_nothing_to_look_at_yet(tmp_path):
    with pytest.raises(InputError, match="no results are there that you may read"):
        open_to_look(f"spark://nobody:7077?catalog={tmp_path}/sales")
