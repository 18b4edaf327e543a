"""Small exports, drawn as CSV text."""

from pathlib import Path
from textwrap import dedent

# A whole export: two deals, of which one is lost, with a call each.
TABLES = {
    "activity": """
        activity_id,type,assigned_to_user,deal_id,done,due_to
        1,meeting,1,7,True,2024-01-08 09:00:00
        2,sc_2,2,8,True,2024-02-08 09:00:00
        3,meeting,2,8,False,2024-02-09 09:00:00
        """,
    "activity_types": """
        id,name,active,type
        1,Sales Call 1,Yes,meeting
        2,Sales Call 2,Yes,sc_2
        """,
    "deal_changes": """
        deal_id,change_time,changed_field_key,new_value
        7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00
        7,2024-01-02 08:00:00,user_id,1
        7,2024-01-02 08:00:00,stage_id,1
        7,2024-01-20 08:00:00,stage_id,2
        7,2024-02-01 08:00:00,lost_reason,1
        8,2024-02-02 08:00:00,add_time,2024-02-02T08:00:00
        8,2024-02-02 08:00:00,user_id,2
        8,2024-02-02 08:00:00,stage_id,1
        """,
    "fields": """
        id,field_key,name,field_value_options
        1,add_time,Created,
        2,user_id,Owner,
        3,stage_id,Stage,
        4,lost_reason,Lost reason,"[{""id"": 1, ""label"": ""Price""}]"
        """,
    "stages": """
        stage_id,stage_name
        1,Lead Generation
        2,Qualified Lead
        """,
    "users": """
        id,name,email,modified
        1,Ada Byron,ada@example.com,2024-01-01 00:00:00
        2,Bo Li,bo@example.com,2024-01-01 00:00:00
        """,
}

Content = str | bytes | None


def as_bytes(content: str | bytes) -> bytes:
    """Drawn text without its indentation; bytes as they are."""
    return content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode()


def write_export(folder: Path, files: dict[str, Content], tables: dict[str, Content]) -> Path:
    """Write a whole export: a table by its name, a file by its name, None for none."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{name}.csv": content for name, content in (TABLES | tables).items()}
    for name, content in (named | files).items():
        if content is not None:
            (folder / name).write_bytes(as_bytes(content))
    return folder
