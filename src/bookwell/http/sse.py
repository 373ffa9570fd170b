"""Messages of an event stream, byte by byte (HTML standard, section 9.2, server-sent events)."""

# A line that every reader skips: a sign of life.
BEAT = b":\n"


def message(event: str, data: bytes, *, position: int | None = None) -> bytes:
    """One message. With a position, a caller who comes back names it in Last-Event-ID."""
    place = b"" if position is None else b"id: %d\n" % position
    lines = b"\ndata: ".join(data.split(b"\n"))
    return b"%bevent: %b\ndata: %b\n\n" % (place, event.encode(), lines)


def beat(passed: int | None) -> bytes:
    """A sign of life; with a place, also that nothing was there for this caller up to it.

    An id without data is kept for Last-Event-ID and makes no event.
    """
    return BEAT if passed is None else b":\nid: %d\n\n" % passed
