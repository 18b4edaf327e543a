"""What a run of the command imports, Prefect as quiet as it is there."""

from flows.start import keep_quiet

keep_quiet()

import flows.flow  # noqa: E402
import flows.watching.progress  # noqa: E402, F401
