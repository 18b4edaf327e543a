"""Which file is which table, which column is which, and what is said when it does not fit."""

import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.errors import InputError
from flows.warehouse.fingerprint import fingerprint
from flows.warehouse.folder import find_export

STAGES = b"stage_id,stage_name\n1,Lead Generation\n"


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


STAGES_PARQUET = parquet(stage_id=[1], stage_name=["Lead Generation"])
FORMS = {
    "stages.csv": STAGES,
    "STAGES.CSV": STAGES,
    "Stages.Csv": STAGES,
    "stages.csv.gz": gzip.compress(STAGES),
    "Stages.CSV.GZ": gzip.compress(STAGES),
    "stages.parquet": STAGES_PARQUET,
    "STAGES.PARQUET": STAGES_PARQUET,
}


def complaint(folder: Path) -> str:
    """What is said of an export that cannot be used."""
    with pytest.raises(InputError) as caught:
        find_export(folder)
    return str(caught.value)


# Files


@pytest.mark.parametrize("name", FORMS)
def test_a_table_is_found_in_each_form_and_case(export, name):
    found = find_export(export({name: FORMS[name]}, stages=None))
    assert (found["stages"].path.name, found["stages"].places) == (
        name,
        {"stage_id": 0, "stage_name": 1},
    )


def test_other_files_and_folders_are_ignored(export):
    folder = export({"notes.txt": "hello", "stages.csv.bak": "x", "stages.xlsx": "x"})
    (folder / "archive").mkdir()
    assert find_export(folder)["stages"].path.name == "stages.csv"


def test_an_optional_table_can_be_missing(export):
    assert "deals" not in find_export(export(deals=None))


def test_an_optional_table_is_found(export):
    assert "deals" in find_export(export(deals="deal_id,status\n7,open\n"))


def test_a_missing_table_is_named_with_the_files_that_would_do(export):
    folder = export(stages=None)
    assert complaint(folder) == (
        f"{folder}: the table stages is missing;"
        " add one of stages.csv, stages.csv.gz, stages.parquet"
    )


@pytest.mark.parametrize("name", ["stages.csv.gz", "stages.parquet"])
def test_a_table_in_two_forms_is_refused(export, name):
    folder = export({name: FORMS[name]})
    assert complaint(folder) == f"{folder}: stages.csv and {name} are both there; keep one of them"


def test_a_table_twice_in_different_case_is_refused(export):
    folder = export({"Stages.csv": STAGES})
    if (folder / "STAGES.CSV").exists():
        pytest.skip("this file system does not tell the two names apart")
    assert "are both there" in complaint(folder)


def test_a_folder_that_does_not_exist(tmp_path):
    folder = tmp_path / "nowhere"
    assert complaint(folder) == (
        f"{folder}: cannot read the source folder: No such file or directory;"
        " give the folder that holds the files"
    )


def test_a_file_in_place_of_the_folder(tmp_path):
    file = tmp_path / "export.zip"
    file.write_bytes(b"PK")
    assert complaint(file) == (
        f"{file}: cannot read the source folder: Not a directory;"
        " give the folder that holds the files, unzipped"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("export.zip", "; unzip what is in it"),
        ("pipedrive", "; give the folder in it that has them"),
        ("notes.txt", "; give the folder that holds the files"),
    ],
)
def test_a_folder_without_a_table(tmp_path, name, hint):
    place = tmp_path / name
    place.write_text("") if "." in name else place.mkdir()
    assert complaint(tmp_path) == (
        f"{tmp_path}: there is no table of an export in it, such as deal_changes.csv{hint}"
    )


@pytest.mark.parametrize("name", ["stages.xlsx", "Stages.csv.zip"])
def test_a_file_that_is_called_like_a_missing_table(export, name):
    folder = export({name: b"PK"}, stages=None)
    assert complaint(folder) == (
        f"{folder}: the table stages is missing; add one of stages.csv, stages.csv.gz,"
        f" stages.parquet ({name} is none of them)"
    )


@pytest.mark.usefixtures("without_privileges")
def test_a_folder_that_must_not_be_read():
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0)
        assert complaint(folder) == f"{folder}: cannot read the source folder: Permission denied"


def test_a_folder_that_cannot_be_reached(tmp_path):
    folder = tmp_path / "export"
    folder.symlink_to(folder)
    assert complaint(folder).startswith(f"{folder}: cannot read the source folder: Too many levels")


def test_a_file_that_cannot_be_reached(export):
    folder = export(stages=None)
    (folder / "stages.csv").symlink_to("stages.csv")
    assert complaint(folder).startswith(f"{folder}/stages.csv: cannot be read: Too many levels")


def test_a_folder_that_has_the_name_of_a_file(export):
    folder = export(stages=None)
    (folder / "stages.csv").mkdir()
    assert complaint(folder) == f"{folder}/stages.csv: cannot be read: Is a directory"


def test_a_link_to_nowhere(export):
    folder = export(stages=None)
    (folder / "stages.csv").symlink_to("gone.csv")
    assert complaint(folder) == f"{folder}/stages.csv: cannot be read: No such file or directory"


def test_a_damaged_gzip_file(export):
    content = bytearray(gzip.compress(STAGES))
    content[10:30] = b"\xff" * 20
    folder = export({"stages.csv.gz": bytes(content)}, stages=None)
    assert complaint(folder) == f"{folder}/stages.csv.gz: cannot be read: the file is damaged"


def test_a_gzip_file_that_ends_in_the_header(export):
    folder = export({"stages.csv.gz": gzip.compress(STAGES)[:15]}, stages=None)
    assert complaint(folder) == f"{folder}/stages.csv.gz: cannot be read: the file is damaged"


def test_a_gzip_file_that_was_cut_off_is_told_beside_all_else(export):
    rows = "".join(f"{n},name {n * 7919 % 10007}\n" for n in range(9999)).encode()
    folder = export({"stages.csv.gz": gzip.compress(STAGES + rows)[:-9]}, stages=None, users="")
    assert complaint(folder).splitlines() == [
        f"{folder}/stages.csv.gz: cannot be read: the file is damaged",
        f"  {folder}/users.csv: the file is empty; export the table users again",
    ]


def test_a_gzip_name_without_gzip_in_it(export):
    folder = export({"stages.csv.gz": STAGES}, stages=None)
    assert complaint(folder) == f"{folder}/stages.csv.gz: cannot be read: the file is damaged"


@pytest.mark.parametrize(
    "content", [STAGES, STAGES_PARQUET[:-20], b"PAR1"], ids=["CSV", "truncated", "four bytes"]
)
def test_a_parquet_name_without_parquet_in_it(export, content):
    folder = export({"stages.parquet": content}, stages=None)
    assert complaint(folder) == (
        f"{folder}/stages.parquet: not a Parquet file; export the table again"
    )


@pytest.mark.parametrize("name", ["stages.csv", "stages.csv.gz", "stages.parquet"])
def test_an_empty_file(export, name):
    folder = export({"stages.csv": None} | {name: b""})
    assert complaint(folder) == (
        f"{folder}/{name}: the file is empty; export the table stages again"
    )


# Headers


def test_columns_are_bound_by_name_in_any_order(export):
    found = find_export(export(stages="stage_name,stage_id\nLead Generation,1\n"))
    assert found["stages"].places == {"stage_id": 1, "stage_name": 0}


def test_columns_are_bound_by_name_in_any_case(export):
    found = find_export(export(stages=" Stage_ID ,STAGE_NAME\n1,Lead Generation\n"))
    assert found["stages"].places == {"stage_id": 0, "stage_name": 1}


def test_columns_of_parquet_are_bound_by_name_in_any_case_and_order(export):
    content = parquet(STAGE_NAME=["Lead Generation"], Stage_Id=[1])
    found = find_export(export({"stages.parquet": content}, stages=None))
    assert found["stages"].places == {"stage_id": 1, "stage_name": 0}


@pytest.mark.parametrize("header", ["stage_id,stage_name", '"stage_id","stage_name"'])
def test_a_byte_order_mark_is_no_part_of_the_header(export, header):
    found = find_export(export(stages=f"\ufeff{header}\n1,Lead Generation\n".encode()))
    assert found["stages"].places == {"stage_id": 0, "stage_name": 1}


def test_a_quoted_header_can_hold_commas_and_line_ends(export):
    found = find_export(export(stages='"a, b","c\nd",stage_id,stage_name\n,,1,x\n'))
    assert found["stages"].places == {"stage_id": 2, "stage_name": 3}


def test_unknown_columns_are_ignored(export):
    found = find_export(export(stages="color,stage_id,order,stage_name\nred,1,1,Lead\n"))
    assert found["stages"].places == {"stage_id": 1, "stage_name": 3}
    assert found["stages"].ignored == ("color", "order")


def test_optional_columns_can_be_missing(export):
    found = find_export(export(deals="status,deal_id,currency\nopen,7,EUR\n"))
    assert found["deals"].places == {"status": 0, "deal_id": 1, "currency": 2}


def test_a_missing_column_is_named_with_those_found_and_needed(export):
    folder = export(users="id,full name,modified\n1,Ada,2024-01-01\n")
    assert complaint(folder) == (
        f"{folder}/users.csv: line 1: missing column name, email (found id, modified among 3);"
        " the table users needs id, name, email, modified"
    )


def test_a_missing_column_of_parquet(export):
    folder = export({"stages.parquet": parquet(stage_id=[1])}, stages=None)
    assert "missing column stage_name" in complaint(folder)


def test_a_known_column_twice_is_refused(export):
    folder = export(stages="stage_id,stage_name,Stage_Name\n1,a,b\n")
    assert complaint(folder) == f"{folder}/stages.csv: line 1: the column stage_name is there twice"


def test_all_that_is_wrong_is_told_at_once(export):
    folder = export(
        stages=None, users="", activity="activity_id;type\n1;call\n", deals="status\nopen\n"
    )
    assert complaint(folder).splitlines() == [
        f"{folder}/activity.csv: line 1: the columns are separated by semicolons;"
        " save the file with commas",
        f"  {folder}: the table stages is missing;"
        " add one of stages.csv, stages.csv.gz, stages.parquet",
        f"  {folder}/users.csv: the file is empty; export the table users again",
        f"  {folder}/deals.csv: line 1: missing column deal_id (found status among 1);"
        " the table deals needs deal_id, status",
    ]


def test_an_unknown_column_can_be_there_twice(export):
    found = find_export(export(stages="x,stage_id,x,stage_name\n0,1,0,a\n"))
    assert found["stages"].places == {"stage_id": 1, "stage_name": 3}


@pytest.mark.parametrize(
    ("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")]
)
def test_another_delimiter_is_recognised(export, delimiter, name):
    text = "Id,Name,Email,Modified\n1,Ada,ada@example.com,2024-01-01\n".replace(",", delimiter)
    folder = export(users=text)
    assert complaint(folder) == (
        f"{folder}/users.csv: line 1: the columns are separated by {name};"
        " save the file with commas"
    )


@pytest.mark.parametrize("quote", ["", '"'])
def test_another_delimiter_is_recognised_in_quoted_headers_too(export, quote):
    text = f"{quote}stage_id{quote};{quote}stage_name{quote}\n1;a\n"
    assert "separated by semicolons" in complaint(export(stages=text))


def test_without_a_header_the_first_row_is_not_quoted(export):
    folder = export(users="1,Ada Byron,ada@example.com,2024-01-01\n")
    said = complaint(folder)
    assert said == (
        f"{folder}/users.csv: line 1: no known column among 4;"
        " the first line must name them: id, name, email, modified"
    )


def test_a_header_that_is_half_a_row_is_not_quoted(export):
    folder = export(users="id,Ada Byron,ada@example.com,2024-01-01\n")
    assert not any(part in complaint(folder) for part in ("Ada", "Byron", "example"))


def test_a_blank_first_line_is_no_header(export):
    assert "no known column among 0" in complaint(export(stages=b"\n\n" + STAGES))


def test_a_header_in_another_encoding(export):
    folder = export(stages=STAGES.decode().encode("utf-16"))
    assert complaint(folder) == f"{folder}/stages.csv: line 1: not UTF-8; save the file as UTF-8"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_header_with_nul_bytes_as_one_in_another_encoding_has(export, encoding):
    folder = export(stages=STAGES.decode().encode(encoding))
    said = "line 1: a NUL byte; save the file as UTF-8, or export it again"
    assert complaint(folder) == f"{folder}/stages.csv: {said}"


def test_a_header_that_is_not_utf_8(export):
    folder = export(stages="größe,stage_id,stage_name\n1,1,a\n".encode("latin-1"))
    assert complaint(folder) == (f"{folder}/stages.csv: line 1: not UTF-8; save the file as UTF-8")


def test_a_row_that_is_not_utf_8_says_nothing_about_the_header(export):
    found = find_export(export(stages=STAGES + b"2,gr\xf6\xdfer\n"))
    assert found["stages"].places == {"stage_id": 0, "stage_name": 1}


def test_an_endless_header(export):
    folder = export(stages='"' + "x" * 200_000 + "\n")
    assert len(complaint(folder)) < 500


# Fingerprint


def test_the_same_content_has_the_same_fingerprint(export):
    one, other = export(folder="one"), export(folder="other")
    assert fingerprint(find_export(one).values()) == fingerprint(find_export(other).values())


def test_other_content_has_another_fingerprint(export):
    one, other = export(folder="one"), export(stages=STAGES, folder="other")
    assert fingerprint(find_export(one).values()) != fingerprint(find_export(other).values())


def test_the_contents_of_two_tables_swapped_have_another_fingerprint(export):
    header = "id,name,email,modified,active,type,field_key,field_value_options\n"
    same, swapped = header + "1,a,b,2024-01-01,,,k,\n", header + "2,a,b,2024-01-01,,,k,\n"
    one = export(users=same, fields=swapped, folder="one")
    other = export(users=swapped, fields=same, folder="other")
    assert fingerprint(find_export(one).values()) != fingerprint(find_export(other).values())


def test_a_table_more_has_another_fingerprint(export):
    one, other = export(folder="one"), export(deals="deal_id,status\n", folder="other")
    assert fingerprint(find_export(one).values()) != fingerprint(find_export(other).values())


def test_a_file_that_is_not_read_does_not_change_the_fingerprint(export):
    one, other = export(folder="one"), export({"notes.txt": "x"}, folder="other")
    assert fingerprint(find_export(one).values()) == fingerprint(find_export(other).values())
