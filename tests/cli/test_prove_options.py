"""The options of `bookwell prove` that do not go together, said before anything is started."""

import pytest

from commands import Bookwell


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--url", "http://127.0.0.1:1"), "needs a token"),
        (("--url", "127.0.0.1:1", "--token", "t"), "must begin with http://"),
        (("--url", "http://127.0.0.1:1", "--token", "t"), "cannot be reached"),
        (("--url", "http://h", "--token", "t", "--faults"), "for an embedded service only"),
        (("--url", "http://h", "--token", "t", "--workers", "2"), "for an embedded service only"),
        (("--url", "http://h", "--token", "t", "--events"), "for an embedded service only"),
        (("--changes", "10"), "--changes is for --events"),
        (("--database-url", "postgresql://h/d"), "--url names"),
        (("--clients", "1"), "--clients"),
        (("--html", "/nowhere/at/all.html"), "There is no directory /nowhere/at"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    bookwell: Bookwell, arguments: tuple[str, ...], why: str
) -> None:
    said = bookwell("prove", *arguments)

    assert (said.code, said.out) == (2, "")
    assert why in said.err.splitlines()[-1]
