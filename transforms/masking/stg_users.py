"""Users, under pseudonyms."""

import ibis
from ibis import Table

from transforms.checks import not_null, unique
from transforms.graph import model
from transforms.lookups import latest_row

SUFFIX_LENGTH = 6


@model(
    key=["user_id"],
    schema={
        "user_id": "int64",
        "name_masked": "string",
        "sales_rep_name": "string",
        "email_hash": "string",
        "modified_at": "timestamp(6)",
    },
    checks=[
        unique("sales_rep_name"),
        not_null("sales_rep_name"),
        not_null("name_masked", severity="warn"),
        not_null("email_hash", severity="warn"),
        unique("email_hash", severity="warn"),
    ],
)
def stg_users(raw_users: Table) -> Table:
    """One row per user; of those that are forgotten, a raw row has no id, and none is here.

    Columns:
        user_id: id in Pipedrive
        name_masked: initials, "J*** D***"; many users share one
        sales_rep_name: name_masked and a short keyed suffix; no two users share one
        email_hash: keyed hash (HMAC-SHA256, hex) of the lower-cased address
        modified_at: when the user was last changed, UTC
    """
    users = latest_row(raw_users.filter(raw_users.id.notnull()), "id", changed="modified")
    suffix = users.id_pseudonym.substr(0, SUFFIX_LENGTH)
    shown = ibis.coalesce(users.name_masked, "User")
    sharing = shown.count().over(group_by=[shown, suffix])
    return users.select(
        user_id=users.id,
        name_masked=users.name_masked,
        # Two users with the same initials and suffix are rare; they get their whole pseudonym.
        sales_rep_name=shown + " #" + ibis.ifelse(sharing > 1, users.id_pseudonym, suffix),
        email_hash=users.email_hash,
        modified_at=users.modified,
    )
