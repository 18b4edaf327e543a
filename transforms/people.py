"""People of whom nothing is kept, in what earlier runs left."""

from collections.abc import Collection

import ibis
from ibis import Table


def without(forgotten: Collection[int], before: Table) -> Table:
    """Rows of an earlier run without the owners who are forgotten since.

    Args:
        forgotten: ids of users.
        before: column `user_id`, which becomes null, and maybe `owner_is_forgotten`.
    """
    is_gone = before.user_id.isin(list(forgotten)) if forgotten else ibis.literal(False)
    is_gone = is_gone.fill_null(False)
    cleared = {"user_id": ibis.ifelse(is_gone, None, before.user_id)}
    if "owner_is_forgotten" in before.columns:
        cleared["owner_is_forgotten"] = before.owner_is_forgotten | is_gone
    return before.mutate(**cleared)
