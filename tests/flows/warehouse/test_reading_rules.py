"""The number of the reading rules goes with what they make of a file."""

from hashlib import sha256
from pathlib import Path

import flows
from flows.warehouse import reader
from flows.warehouse.folder import find_export
from flows.warehouse.masking import masking_with
from flows.warehouse.rows import read
from transforms.sources import READING_RULES

SAMPLE = Path(flows.__file__).parents[1] / "data/sample"
ODD = {
    "deals": "deal_id,status,user_id,value,currency,add_time\n"
    "1,Won ,7,1e3,eur,2024-03-31T02:30:00+02:00\n2,gone,8,-,Ann Doe,2024-01-01\n",
    "deal_changes": "deal_id,change_time,changed_field_key,new_value\n"
    "1,2024-01-02 03:04,lost_reason,7\n1,2024-01-02 03:04,phone,0171 2345678\n"
    "1,2024-01-02 03:04,user_id,8\n1,2024-01-02 03:04,Stage-ID,2.0\n"
    "1,2024-01-02 03:05,stage_id, 2 \n1,2024-01-02 03:05,user_id,-7\n",
    "users": "id,name,email,modified\n7, Ann  van Doe,ANN@X.example ,2024-01-01\n8,Bo,,\n",
}
# Where another hash is right, raise READING_RULES too, unless the same export gives the same rows.
MADE = {3: "5158cbbe7bc0eab9c8292bf842b0995dbeab2f548080eef103e69a57b346a262"}


def landed(folder: Path, forgotten: tuple[int, ...]) -> list[str]:
    """All raw rows of an export, as text."""
    rows = []
    with reader.opened() as connection, masking_with(bytes(32), connection):
        for file in find_export(folder).values():
            raw = reader.land(connection, file, "UTC", forgotten).raw
            rows += sorted(repr(row) for row in read(raw).to_pylist())
            reader.forget(connection, file.source)
    return rows


def test_the_rows_of_a_file_are_those_of_the_rules(export):
    made = landed(SAMPLE, ()) + landed(export(**ODD), (8,))
    assert {READING_RULES: sha256("\n".join(made).encode()).hexdigest()} == MADE
