"""Who may overrule a brand's policy: staff with the scope for it, and with a reason."""

from bookwell.domain.callers import OVERRIDE_SCOPE, Call
from bookwell.domain.errors import InsufficientScope


def is_overruled(call: Call, override_reason: str | None) -> bool:
    """Whether policy is overruled in this call.

    Raises:
        InsufficientScope: A reason is given by somebody who may not overrule.
    """
    if override_reason is None:
        return False
    if not call.caller.may(OVERRIDE_SCOPE):
        raise InsufficientScope(scope=OVERRIDE_SCOPE)
    return True
