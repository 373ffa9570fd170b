import pytest

from bookwell.domain.callers import Claims
from bookwell.gateways.introspection_cache import NO_ANSWER, IntrospectionCache

WALL = 1_790_000_000.0


def claims(*, expires_at: float | None = None) -> Claims:
    return Claims(
        subject="pat_1",
        client_id=None,
        scopes=frozenset(),
        expires_at=expires_at,
        brand_id=None,
        token_type=None,
    )


@pytest.mark.parametrize("answer", [claims(), None], ids=["active", "inactive"])
def test_an_answer_is_kept_for_so_many_seconds_after_the_question(answer: Claims | None) -> None:
    cache = IntrospectionCache(seconds=2.0)
    cache.remember(b"a", answer, asked_at=100.0)

    assert cache.find(b"a", now=101.9, wall=WALL) is answer
    assert cache.find(b"a", now=102.0, wall=WALL) is NO_ANSWER


def test_no_setting_keeps_an_answer_longer_than_five_seconds() -> None:
    cache = IntrospectionCache(seconds=3600.0)
    cache.remember(b"a", claims(), asked_at=100.0)

    assert cache.find(b"a", now=104.9, wall=WALL) == claims()
    assert cache.find(b"a", now=105.0, wall=WALL) is NO_ANSWER


def test_zero_seconds_keep_nothing() -> None:
    cache = IntrospectionCache(seconds=0.0)
    cache.remember(b"a", claims(), asked_at=100.0)

    assert cache.find(b"a", now=100.0, wall=WALL) is NO_ANSWER


def test_an_answer_ends_with_its_token() -> None:
    cache = IntrospectionCache(seconds=5.0)
    cache.remember(b"a", claims(expires_at=WALL + 1), asked_at=100.0)

    assert cache.find(b"a", now=100.9, wall=WALL + 0.9) is not NO_ANSWER
    assert cache.find(b"a", now=101.0, wall=WALL + 1.0) is NO_ANSWER


def test_a_full_cache_forgets_the_oldest_answer() -> None:
    cache = IntrospectionCache(seconds=5.0, entries_max=2)
    for key, asked_at in ((b"a", 100.0), (b"b", 100.1), (b"a", 100.2), (b"c", 100.3)):
        cache.remember(key, claims(), asked_at=asked_at)

    assert cache.find(b"b", now=100.4, wall=WALL) is NO_ANSWER
    assert cache.find(b"a", now=100.4, wall=WALL) == claims()
    assert cache.find(b"c", now=100.4, wall=WALL) == claims()
