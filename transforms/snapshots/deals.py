"""The history of deals."""

from collections.abc import Collection, Sequence
from functools import reduce

import ibis
from ibis import Deferred, Table, _

from transforms.checks import accepted_values, not_null, references, rule
from transforms.graph import model
from transforms.people import without
from transforms.staging.stg_deals import STATUSES
from transforms.timeline import changes_to_ids

TRACKED = ("status", "user_id", "stage_id", "value", "currency")

MOMENT = ("deal_id", "at")
# What can be said of a deal at a moment. A stage that a table says does not open a lost deal again.
SAYS = ("status", "owner", "stage", "logged_stage", "win", "loss", "amount")


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """The hash of a text, in hex; every engine has it."""


@model(
    key=["deal_id", "valid_from"],
    schema={
        "deal_id": "int64",
        "valid_from": "timestamp(6)",
        "valid_to": "timestamp(6)",
        "is_current": "boolean",
        "status": "string",
        "user_id": "int64",
        "stage_id": "int64",
        "value": "float64",
        "currency": "string",
        "row_hash": "string",
    },
    checks=[
        accepted_values("status", STATUSES),
        not_null("status"),
        rule("ends_after_it_begins", lambda d: d.valid_to.isnull() | (d.valid_from < d.valid_to)),
        rule("is_current_if_it_has_no_end", lambda d: d.is_current == d.valid_to.isnull()),
        references("deal_id", "stg_deals.deal_id", severity="warn"),
    ],
    refresh_by="deal_id",
)
def deals(
    before: Table,
    stg_deals: Table,
    stg_deal_changes: Table,
    stg_deal_stage_changes: Table,
    stg_stages: Table,
    stg_funnel_steps: Table,
    int_deal_losses: Table,
    deal_observations: Table,
    *,
    forgotten: Collection[int],
) -> Table:
    """One row per deal and span of time in which its status, owner, stage and value were the same.

    A slowly changing dimension of type 2. Of each column, what was said last holds: by the change
    log, at the time of the change (a stage or a loss says the status, too); by the deals table,
    when it was observed. What earlier runs saw before the log of a deal begins stays, unless the
    log has its creation.

    Columns:
        deal_id: the deal
        valid_from: when this began, UTC
        valid_to: when the next row of the deal begins, UTC; null for the current one
        is_current: it is the last row of the deal
        status: won, lost or open
        user_id: owner; null for nobody, or one who is forgotten
        stage_id: stage; null before the first
        value: amount in `currency`; null before the deals table said one
        currency: ISO code
        row_hash: MD5 of the five columns before, as text: equal if they are
    """
    won_stages = stg_stages.semi_join(stg_funnel_steps.filter("is_won"), "funnel_step")
    won = stg_deal_stage_changes.semi_join(won_stages, "stage_id")
    stages = stg_deal_stage_changes.filter(
        _.next_entered_at.isnull() | (_.entered_at < _.next_entered_at)
    ).select("deal_id", "stage_id", at="entered_at")
    owners = _owners(stg_deal_changes)
    closed = stg_deals.filter(_.closed_at.notnull()).select("deal_id", "status", at="closed_at")
    log = stg_deal_changes.group_by("deal_id").agg(
        at=_.changed_at.min(), is_whole=(_.changed_field_key == "add_time").any()
    )
    logged = ibis.union(
        _points(stg_deals.filter(_.created_at.notnull()).select("deal_id", at="created_at")),
        _points(log.semi_join(stg_deals.filter(_.created_at.isnull()), "deal_id")),
        _points(closed, status=True),
        _points(owners, owner=True),
        _points(stages, stage=True, logged_stage=True),
        _points(won.select("deal_id", at="entered_at"), win=True),
        _points(int_deal_losses.select("deal_id", at="lost_at"), loss=True),
    )
    seen = deal_observations.select(
        *("deal_id", *TRACKED),
        at="observed_at",
        says_owner=_.user_id.notnull() | _.owner_is_forgotten,
        says_stage=_.stage_id.notnull(),
        says_status=_.status.notnull(),
    )
    kept = _before_the_log(without(forgotten, before), log)
    said = [
        logged,
        _points(seen, status=_.says_status, owner=_.says_owner, stage=_.says_stage, amount=True),
        _points(kept, status=True, owner=True, stage=True, win=_.status == "won", amount=True),
    ]
    # Of what is said at the same moment, the last one named here counts.
    states = _last_said(ibis.union(*said))
    states = _joined(states, "owner", ["user_id"], kept, owners, seen.filter("says_owner"))
    states = _joined(states, "stage", ["stage_id"], kept, stages, seen.filter("says_stage"))
    states = _joined(states, "status", ["status"], kept, closed, seen.filter("says_status"))
    states = _joined(states, "amount", ["value", "currency"], kept, seen)
    by_log = ibis.cases(
        (_.last_loss_at > _.last_logged_stage_at, "lost"),
        (_.last_loss_at.notnull() & _.last_logged_stage_at.isnull(), "lost"),
        (_.last_win_at.notnull(), "won"),
        else_="open",
    )
    last_logged_at = ibis.greatest(_.last_logged_stage_at, _.last_loss_at)
    is_outdone = (last_logged_at > _.last_status_at).fill_null(False)
    return _spans(
        states.mutate(status=ibis.ifelse(is_outdone, by_log, ibis.coalesce(_.status, by_log)))
    )


def _owners(changes: Table) -> Table:
    """One row per deal and moment at which its owner changed: the last of the moment, or nobody."""
    owners = changes_to_ids(changes, "user_id", "user_id", or_none=True)
    to_nobody = owners.user_id.isnull().any()
    return owners.group_by(MOMENT).agg(user_id=ibis.ifelse(to_nobody, None, owners.user_id.max()))


def _points(rows: Table, **says: Deferred | bool) -> Table:
    """One row per row with `deal_id` and `at`: which of SAYS is said there."""
    return rows.select(*MOMENT, **{what: says.get(what, False) for what in SAYS})


def _before_the_log(before: Table, log: Table) -> Table:
    """Rows of the run before that begin before all that the log has of their deal."""
    rows = before.left_join(log, "deal_id").drop("deal_id_right")
    is_kept = _["at"].isnull() | (~_.is_whole & (_.valid_from < _["at"]))
    return rows.filter(is_kept).select("deal_id", *TRACKED, at="valid_from")


def _last_said(points: Table) -> Table:
    """One row per deal and moment: when each of SAYS was said last, that moment included."""
    until_now = ibis.range_window(following=0, group_by="deal_id", order_by="at")
    last = {
        f"last_{what}_at": ibis.ifelse(_[what], _["at"], None).max().over(until_now)
        for what in SAYS
    }
    next_at = _["at"].lead().over(group_by="deal_id", order_by="at")
    seen = points.mutate(**last, next_at=next_at)
    is_last_of_moment = seen.next_at.isnull() | (seen["at"] < seen.next_at)
    return seen.filter(is_last_of_moment).select(*MOMENT, *last)


def _joined(states: Table, what: str, columns: Sequence[str], *said: Table) -> Table:
    """With columns as they were said last; of two at the same moment, the last one given counts."""
    last_at = f"last_{what}_at"
    alike = [rows.select(*MOMENT, *columns) for rows in said]
    found = reduce(lambda some, more: some.anti_join(more, MOMENT).union(more), alike)
    found = found.rename({last_at: "at"})
    return states.left_join(found, ["deal_id", last_at]).drop("deal_id_right", f"{last_at}_right")


def _spans(states: Table) -> Table:
    """States that follow an equal one are gone, and each lasts until the next."""
    in_order = ibis.window(group_by="deal_id", order_by="at")
    before = {f"{name}_before": _[name].lag().over(in_order) for name in TRACKED}
    compared = states.select(
        "deal_id", "at", *TRACKED, **before, at_before=_["at"].lag().over(in_order)
    )
    is_changed = compared.at_before.isnull()
    for name in TRACKED:
        is_changed |= ~compared[name].identical_to(compared[f"{name}_before"])
    changed = compared.filter(is_changed)
    texts = {name: changed[name].cast("string") for name in TRACKED}
    texts["value"] = texts["value"].re_replace(r"\.0$", "")  # as only some engines write it
    text = ibis.literal("|").join([said.fill_null("") for said in texts.values()])
    valid_to = changed["at"].lead().over(in_order)
    return changed.select(
        "deal_id",
        *TRACKED,
        row_hash=md5(text),
        valid_from="at",
        valid_to=valid_to,
        is_current=valid_to.isnull(),
    )
