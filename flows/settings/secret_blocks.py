"""Secrets that Prefect keeps: a setting names the Secret block, and the run reads it there.

In `prefect.yaml`, `{{ prefect.blocks.secret.NAME }}` would be no reference: it is filled in when
the deployment is made, and kept there as it is, for everybody who can see the deployment.
"""

from pydantic import SecretStr

from flows.errors import InputError, RunFailedError, SalesFunnelError
from flows.settings import Settings, variable
from flows.settings.forms import SHORTEST_KEY


def with_secrets(settings: Settings) -> Settings:
    """The settings with the values of the blocks that they name.

    Raises:
        InputError: there is no such block, or it holds something else.
        RunFailedError: the Prefect server does not give it.
    """
    values = {name: secret_of(name, block) for name, block in settings.blocks.items()}
    return settings.model_copy(update=values)


def secret_of(name: str, block: str) -> SecretStr:
    """The value of a block, for the setting of that name.

    Raises:
        InputError: there is no such block, or it holds something else.
        RunFailedError: the Prefect server does not give it.
    """
    # Imported when needed: it takes seconds.
    from prefect.blocks.system import Secret
    from prefect.exceptions import PrefectHTTPStatusError

    what = f"{variable(name)}_BLOCK"
    try:
        # In sync, also where somebody calls the flow within an event loop, as in a notebook.
        found = Secret.load(block, _sync=True)  # type: ignore[call-arg]
        assert isinstance(found, Secret)
        # Not `get()`, which makes a number of a key that has digits only.
        value = found.value.get_secret_value()
    except PrefectHTTPStatusError as error:
        raise _refused(what, error.response.status_code) from None
    except ValueError:
        raise InputError(
            f"{what}: Prefect has no Secret block of that name; make it there, or name another"
        ) from None
    except Exception as error:
        raise RunFailedError(
            f"{what}: Prefect did not give the block ({type(error).__name__}); is its server there?"
        ) from None
    least = SHORTEST_KEY if name == "masking_key" else 1
    if not isinstance(value, str) or len(value) < least:
        of_length = f" of {least} characters or more" if least > 1 else ""
        raise InputError(f"{what}: the Secret block holds no text{of_length}; give it one")
    return SecretStr(value)


def _refused(what: str, status: int) -> SalesFunnelError:
    if status in (401, 403):
        return InputError(
            f"{what}: the Prefect server does not let us read it; see PREFECT_API_KEY and"
            " PREFECT_API_AUTH_STRING"
        )
    return RunFailedError(f"{what}: the Prefect server answers {status}")
