"""Every check of a run of `--events`, in the order in which the report shows them."""

from bookwell.prove.checks import answers_of_the_contract, every_call_resolved
from bookwell.prove.events.deliveries import delivery_checks
from bookwell.prove.events.readers import reader_checks
from bookwell.prove.events.record import Record
from bookwell.prove.report import Check

DRAINED_SECONDS_MAX = 20.0
# With fewer answered badly, a run says little. A third is drawn, so this is no coin that is tossed.
BAD_SHARE_MIN = 0.2


def all_checks(record: Record) -> list[Check]:
    """Judge the run."""
    return [
        *delivery_checks(record),
        *reader_checks(record),
        _drained(record),
        answers_of_the_contract(record.attempts),
        every_call_resolved(record.attempts),
        _trouble(record),
    ]


def _drained(record: Record) -> Check:
    name, drained = "drained in time", record.drained
    if drained.seconds is None:
        sentence = (
            "Not everything left within the patience of this run; "
            f"{drained.pending:,} deliveries are still to be made."
        )
        return Check(name=name, holds=False, found=None, sentence=sentence)
    sentence = (
        f"Everything had left {drained.seconds:.1f} s after the last fault; "
        f"{DRAINED_SECONDS_MAX:.0f} s are allowed."
    )
    holds = drained.seconds <= DRAINED_SECONDS_MAX
    return Check(name=name, holds=holds, found=None, sentence=sentence)


def _trouble(record: Record) -> Check:
    """There was something to get through."""
    during = [each for each in record.received if each.at <= record.drained.last_fault_at]
    bad = sum(not each.is_taken for each in during)
    share = bad / len(during) if during else 0.0
    won = sum(attempt.is_won for attempt in record.attempts)
    times = "time" if record.kills == 1 else "times"
    sentence = (
        f"{won:,} changes were made while a process was killed {record.kills:,} {times}; "
        f"{bad:,} of {len(during):,} requests ({share:.0%}) were answered badly until the faults "
        "ended."
    )
    holds = won > 0 and record.kills > 0 and share >= BAD_SHARE_MIN
    return Check(name="trouble enough", holds=holds, found=None, sentence=sentence)
