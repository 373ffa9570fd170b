"""The brand matrix: what one id of one operation is tried with, and what each caller hears."""

from collections.abc import Callable
from dataclasses import dataclass

from operations import Call
from scenes import PATIENT, REACHES, Scene

Statuses = dict[str, int]


def statuses(own: int, others: int, foreign: int, unknown: int) -> Statuses:
    return dict(zip(REACHES, (own, others, foreign, unknown), strict=True))


@dataclass(frozen=True)
class Row:
    """One id of one operation: how to call it, and what each kind of caller hears."""

    prepare: Callable[[Scene, str], Call]
    patient: Statuses
    staff: Statuses
    is_admin: bool = False
    # Also where the statuses are the same, the answer about what is the caller's to see says more.
    says_more: bool = False

    def expected(self, caller: str) -> Statuses:
        return self.patient if caller == PATIENT else self.staff


ANY_PATIENT = statuses(403, 403, 403, 403)
SEEN = statuses(200, 200, 404, 404)
