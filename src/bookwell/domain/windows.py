"""How many deliveries a worker has on their way to one endpoint at once.

It grows with each one that is taken and is halved when one is not, so a receiver gets what it can
take, and one that takes nothing holds up nobody else. Deliveries that were sent before the last
halving say nothing new: one hiccup of the receiver halves once.
"""

from dataclasses import dataclass, replace

ROOM_AT_FIRST = 4
ROOM_MAX = 32
# An answer that takes longer keeps a place for nothing.
SLOW_MILLISECONDS = 2000

# Where nothing is taken even one by one, each miss makes the pause longer.
_MISSES_BEFORE_PAUSE = 2
_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Window:
    """`room` places; `turn` counts the halvings, `misses` those in a row with one place left."""

    room: int = ROOM_AT_FIRST
    turn: int = 0
    misses: int = 0

    def after_taken(self, *, sent_in: int, milliseconds: int) -> "Window":
        """One was taken after so long; `sent_in` is the turn in which it was sent."""
        if milliseconds <= SLOW_MILLISECONDS:
            return replace(self, room=min(self.room + 1, ROOM_MAX), misses=0)
        narrower = self._halved() if sent_in == self.turn else self
        return replace(narrower, misses=0)

    def after_missed(self, *, sent_in: int) -> "Window":
        """One was not taken; `sent_in` is the turn in which it was sent."""
        if sent_in != self.turn:
            return self
        misses = self.misses + 1 if self.room == 1 else 0
        return replace(self._halved(), misses=misses)

    @property
    def pause_seconds(self) -> float:
        """How long to leave the receiver alone now."""
        if self.misses < _MISSES_BEFORE_PAUSE:
            return 0.0
        # The exponent has a bound of its own: a receiver may be away for a week.
        doublings = min(self.misses - _MISSES_BEFORE_PAUSE, 16)
        return min(_PAUSE_SECONDS * 2.0**doublings, PAUSE_SECONDS_MAX)

    def _halved(self) -> "Window":
        return replace(self, room=max(1, self.room // 2), turn=self.turn + 1)
