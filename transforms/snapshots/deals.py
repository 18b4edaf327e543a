"""The history of deals."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import ibis
from ibis import Deferred, Table, _
from ibis.expr.types import IntegerValue, Value

from transforms import text
from transforms.checks import accepted_values, not_null, references, rule
from transforms.graph import model
from transforms.lookups import joined_by
from transforms.masking.pseudonyms import without
from transforms.sources import STATUSES
from transforms.staging.stg_deals import won_stages
from transforms.timeline import changes_to_ids

TRACKED = ("status", "user_id", "stage_id", "value", "currency")

EPOCH = datetime(1970, 1, 1)
# Of what is said of the same moment, that from the greater place counts.
EARLIER_RUN, LOG, DEALS_TABLE = range(3)
PLACES = 4
# What the status follows from. Of the same moment and place, the greater counts.
LOSS, ENTRY, OPEN, LOST, WON = range(5)
VERDICTS = 8
STATUS = {OPEN: "open", LOST: "lost", WON: "won"}
SAYS = ("is_win", "says_owner", "says_stage", "says_amount")


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
    in_parts=True,
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
    when it was observed, but of a creation, win or loss at the time that it gives. What earlier
    runs saw before the log of a deal begins stays, unless the log has its creation.

    Columns:
        deal_id: the deal
        valid_from: when this began, UTC
        valid_to: when the next row of the deal begins, UTC; null for the current one
        is_current: it is the last row of the deal
        status: won, lost or open
        user_id: owner; null for nobody, or one who is forgotten
        stage_id: stage; null before the first
        value: amount in `currency`; null before the deals table said one
        currency: ISO code; null where the deals table said something else
        row_hash: MD5 of the five columns before, as text: equal if they are
    """
    log = stg_deal_changes.group_by("deal_id").agg(
        at=_.changed_at.min(), is_whole=(_.changed_field_key == "add_time").any()
    )
    created = stg_deals.filter(_.created_at.notnull()).mutate(at="created_at")
    closed = stg_deals.filter(_.closed_at.notnull()).mutate(at="closed_at")
    losses = int_deal_losses.mutate(at="lost_at")
    entries = stg_deal_stage_changes.mutate(at="entered_at")
    wins = entries.semi_join(won_stages(stg_stages, stg_funnel_steps), "stage_id")
    stages = entries.filter(_.next_entered_at.isnull() | (_["at"] < _.next_entered_at))
    owners = _owners(stg_deal_changes)
    seen = deal_observations.mutate(at="observed_at")
    kept = _before_the_log(without(forgotten, before), log)
    says_owner = _.user_id.notnull() | _.owner_is_forgotten
    says_stage = _.stage_id.notnull()
    points = ibis.union(
        _points(log.anti_join(created, "deal_id"), LOG),
        _points(created, LOG),
        _points(closed, LOG, _said(closed), is_win=_.status == "won"),
        _points(losses, LOG, LOSS),
        _points(wins, LOG, is_win=True),
        _points(stages, LOG, ENTRY, says_stage=True),
        _points(owners, LOG, says_owner=True),
        _points(
            seen,
            DEALS_TABLE,
            _said(seen),
            says_owner=says_owner,
            says_stage=says_stage,
            says_amount=True,
        ),
        _points(
            kept,
            EARLIER_RUN,
            _said(kept),
            is_win=_.status == "won",
            says_owner=True,
            says_stage=True,
            says_amount=True,
        ),
    )
    outside = {DEALS_TABLE: seen, EARLIER_RUN: kept}
    states = _last_said(points)
    states = _joined(states, "stage_at", ["stage_id"], {LOG: stages} | outside)
    states = _joined(states, "owner_at", ["user_id"], {LOG: owners} | outside)
    return _spans(_joined(states, "amount_at", ["value", "currency"], outside))


def _owners(changes: Table) -> Table:
    """One row per deal and moment at which its owner changed: the last of the moment, or nobody."""
    owners = changes_to_ids(changes, "user_id", or_none=True)
    to_nobody = owners.user_id.isnull().any()
    last = ibis.ifelse(to_nobody, None, owners.user_id.max())
    return owners.group_by("deal_id", "at").agg(user_id=last)


def _moment(rows: Table, place: int) -> IntegerValue:
    """A number that orders what is said: by `at`, then by the place that says it."""
    return rows["at"].delta(EPOCH, unit="microsecond") * PLACES + place


def _said(rows: Table) -> IntegerValue:
    """The verdict that a status is."""
    return rows.status.cases(*((name, verdict) for verdict, name in STATUS.items()))


def _points(
    rows: Table, place: int, verdict: IntegerValue | int | None = None, **says: Deferred | bool
) -> Table:
    """One row per row with `deal_id` and `at`: what it says of the deal at that moment."""
    return rows.select(
        "deal_id",
        "at",
        moment=_moment(rows, place),
        verdict=ibis.literal(verdict, "int8") if not isinstance(verdict, Value) else verdict,
        **{what: says.get(what, False) for what in SAYS},
    ).cast({"verdict": "int8"})


def _before_the_log(before: Table, log: Table) -> Table:
    """Rows of the run before that begin before all that the log has of their deal."""
    rows = joined_by("deal_id", before, log)
    is_kept = _["at"].isnull() | (~_.is_whole & (_.valid_from < _["at"]))
    return rows.filter(is_kept).select("deal_id", *TRACKED, at="valid_from")


def _last_said(points: Table) -> Table:
    """One row per deal and moment: its status, and at which moments the rest was said last."""
    # Quicker by rows than by range. Engines sort once for windows of one order: so the last row of
    # a moment, the one that is kept, has seen all others of it.
    until_now = ibis.window(following=0, group_by="deal_id", order_by="at")

    def last(says: str) -> IntegerValue:
        return ibis.ifelse(points[says], points.moment, None).max().over(until_now)

    verdict = (points.moment * VERDICTS + points.verdict).max().over(until_now) % VERDICTS
    told = points.select(
        "deal_id",
        "at",
        owner_at=last("says_owner"),
        stage_at=last("says_stage"),
        amount_at=last("says_amount"),
        verdict=verdict,
        was_won=points.is_win.any().over(until_now),
        next_at=points["at"].lead().over(group_by=points.deal_id, order_by=points["at"]),
    )
    status = ibis.cases(
        (_.verdict.isin((LOSS, LOST)), LOST),
        ((_.verdict == WON) | ((_.verdict == ENTRY) & _.was_won), WON),
        else_=OPEN,
    )
    is_last_of_moment = told.next_at.isnull() | (told["at"] < told.next_at)
    return told.filter(is_last_of_moment).select(
        "deal_id", "at", "owner_at", "stage_at", "amount_at", status=status
    )


def _joined(states: Table, at: str, columns: Sequence[str], said: Mapping[int, Table]) -> Table:
    """With the columns as they were said at the moment that is named so."""
    rows = ibis.union(
        *(
            table.select("deal_id", *columns, **{at: _moment(table, place)})
            for place, table in said.items()
        )
    )
    return states.left_join(rows, ["deal_id", at]).drop("deal_id_right", f"{at}_right")


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
    named = compared.status.cases(*STATUS.items())
    changed = compared.filter(is_changed).mutate(status=named)
    texts = {name: changed[name].cast("string") for name in TRACKED}
    texts["value"] = texts["value"].re_replace(r"\.0$", "")  # as only some engines write it
    said = ibis.literal("|").join([each.fill_null("") for each in texts.values()])
    valid_to = changed["at"].lead().over(in_order)
    return changed.select(
        "deal_id",
        *TRACKED,
        row_hash=text.md5(said),
        valid_from="at",
        valid_to=valid_to,
        is_current=valid_to.isnull(),
    )
