"""Automations of a Prefect server that watches the runs: `python -m flows.automations --help`.

They are found again by their names: running the command once more changes what is there. Anything
that matches on states goes by their names and messages, so a run may be named as it likes.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from uuid import UUID

import click
import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

from flows.flow import sales_funnel
from flows.watching.monitoring import QUALITY_GATE

NAME = sales_funnel.name
FLOW_RUN: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}

# After this long without a run that completed, somebody should look: a schedule and a bit.
STALE_AFTER = {"daily-duckdb": timedelta(hours=26), "hourly-postgres": timedelta(hours=3)}
# Three heartbeats, which deployments send every 30 seconds (prefect.yaml).
SILENT_FOR = timedelta(seconds=90)

ABOUT_THE_RUN = "{{ flow_run.name }}: {{ flow_run.state.message }}\n{{ flow_run|ui_url or '' }}"


def zombie_runs(silent_for: timedelta = SILENT_FOR) -> AutomationCore:
    """A run that says nothing any more has crashed: its machine or its worker was killed."""
    return AutomationCore(
        name=f"{NAME}: crash runs that went silent",
        description=f"No heartbeat for {silent_for.total_seconds():.0f} seconds",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification(FLOW_RUN),
            match_related=_role("flow", NAME),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            within=silent_for,
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                force=False,
                message="Nothing was heard of the run any more; the old results are in place",
            )
        ],
    )


def notifications(block_id: UUID, stale_after: Mapping[str, timedelta]) -> Iterator[AutomationCore]:
    """Somebody is told of runs that fail, of runs that a check stops, and of runs that do not come.

    Args:
        block_id: the notification block by which they are told.
        stale_after: how long each deployment may be without a run that completed.
    """
    yield AutomationCore(
        name=f"{NAME}: tell of failed runs",
        trigger=_run_became(
            {"Failed", "Crashed", "TimedOut"}, {"prefect.state-message": f"!{QUALITY_GATE}*"}
        ),
        actions=[_tell(block_id, "The sales funnel failed", ABOUT_THE_RUN)],
    )
    yield AutomationCore(
        name=f"{NAME}: tell of runs that a check stopped",
        trigger=_run_became({"Failed"}, {"prefect.state-message": f"{QUALITY_GATE}*"}),
        actions=[_tell(block_id, "The sales funnel was not published", ABOUT_THE_RUN)],
    )
    for deployment, hours in stale_after.items():
        yield AutomationCore(
            name=f"{NAME}: tell of stale results of {deployment}",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                match=ResourceSpecification(FLOW_RUN),
                match_related=[_role("flow", NAME), _role("deployment", deployment)],
                after={"prefect.flow-run.Completed"},  # each begins the hours anew
                expect={"prefect.flow-run.Completed"},
                within=hours,
            ),
            actions=[
                _tell(
                    block_id,
                    "The sales funnel is stale",
                    f"No run of {deployment} completed for {_in_hours(hours)}.",
                )
            ],
        )


def set_up(client: SyncPrefectClient, automations: Iterable[AutomationCore]) -> None:
    """Create the automations, or change those that are there by the same names."""
    for automation in automations:
        there = client.read_automations_by_name(automation.name)
        if there:
            client.update_automation(there[0].id, automation)
        else:
            client.create_automation(automation)
        click.echo(f"set up: {automation.name}")


def _role(role: str, name: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": role, "prefect.resource.name": name})


def _run_became(states: set[str], labels: dict[str, str | list[str]]) -> EventTrigger:
    return EventTrigger(
        posture=Posture.Reactive,
        match=ResourceSpecification(FLOW_RUN | labels),
        match_related=_role("flow", NAME),
        expect={f"prefect.flow-run.{state}" for state in states},
    )


def _tell(block_id: UUID, subject: str, body: str) -> SendNotification:
    return SendNotification(block_document_id=block_id, subject=subject, body=body)


def _in_hours(duration: timedelta) -> str:
    return f"{duration / timedelta(hours=1):g} hours"


def _block_id(client: SyncPrefectClient, name: str) -> UUID:
    kind, _, block = name.partition("/")
    try:
        found = client.read_block_document_by_name(block, kind)
    except ObjectNotFound:
        raise click.BadParameter(
            f"there is no block {name}; make one in the UI, or see `prefect block ls`"
        ) from None
    schema = found.block_schema
    if schema is not None and "notify" not in schema.capabilities:
        raise click.BadParameter(f"{name} cannot send notifications; name a notification block")
    return found.id


def _deployed(client: SyncPrefectClient) -> dict[str, timedelta]:
    """Of the deployments that have a schedule to keep, those that the server has."""
    found = client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[NAME])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[*STALE_AFTER])),
    )
    there = {deployment.name for deployment in found}
    return {name: after for name, after in STALE_AFTER.items() if name in there}


HELP = """\b
Example:
  python -m flows.automations --notify slack-webhook/sales

Set up automations for the runs of the sales funnel, on the server of PREFECT_API_URL.

Runs that went silent are marked as crashed. With --notify, somebody is told of failed runs, of runs
that a check stopped, and of scheduled deployments whose results are stale.
"""


@click.command(help=HELP)
@click.option(
    "--notify",
    metavar="TYPE/NAME",
    help="A notification block of the server, as in slack-webhook/sales.",
)
def command(notify: str | None) -> None:
    """See HELP, which is the help text."""
    if PREFECT_API_URL.value() is None:
        raise click.UsageError("PREFECT_API_URL names no server; start one and name it.")
    try:
        with get_client(sync_client=True) as client:
            wanted = [zombie_runs()]
            if notify:
                wanted += notifications(_block_id(client, notify), _deployed(client))
            set_up(client, wanted)
    except httpx.TransportError:
        raise click.ClickException("the server of PREFECT_API_URL does not answer") from None
    except PrefectHTTPStatusError as error:
        raise click.ClickException(
            f"the server of PREFECT_API_URL refuses: HTTP {error.response.status_code}; see"
            " PREFECT_API_AUTH_STRING and PREFECT_API_KEY"
        ) from None


if __name__ == "__main__":
    command()
