"""Every event is in the stream once, in its order, with what a consumer needs to know of it."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import asyncpg
import pytest
from nats.js.api import DiscardPolicy, StorageType

from bookwell.domain.envelopes import Format
from bookwell.gateways.bus import DUPLICATE_SECONDS, BusUnavailable
from bookwell.storage import bus as bookmarks
from bookwell.storage import event_retention
from bookwell.usecases.bus import BATCH_EVENTS, Publisher
from nats_servers import NatsServer, assert_complete
from world import LOOP, LOOPBIO, World
from written_events import bookmark_of, write_visits

NewPublisher = Callable[..., Publisher]


async def test_events_of_all_brands_are_in_the_stream_once_and_in_order(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    ours = write_visits(world, visits=BATCH_EVENTS, events=2)
    theirs = write_visits(world, visits=10, events=3, brand_id=LOOPBIO)
    one = new_publisher()

    await one.publish_waiting()
    await one.publish_waiting()

    received = await nats_server.received()
    assert [each.event_id for each in received if each.brand_id == LOOP] == ours
    assert [each.event_id for each in received if each.brand_id == LOOPBIO] == theirs
    assert (bookmark_of(world), bookmark_of(world, LOOPBIO)) == (len(ours), len(theirs))


async def test_a_message_says_its_type_its_id_its_brand_and_how_it_is_written(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    (event_id,) = write_visits(world, visits=1)

    await new_publisher().publish_waiting()

    (message,) = await nats_server.received()
    assert message.subject == "booking.visit.created.v1"
    assert message.headers == {
        "Nats-Msg-Id": event_id,
        "Nats-Expected-Stream": "BOOKWELL",
        "Content-Type": "application/json",
        "Bookwell-Brand": LOOP,
    }
    body = json.loads(message.body)
    assert (body["id"], body["position"], body["sequence"]) == (event_id, 1, 1)


async def test_with_the_option_a_message_is_a_cloud_event_in_structured_mode(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    (event_id,) = write_visits(world, visits=1)

    await new_publisher(form=Format.CLOUDEVENTS, prefix="live.").publish_waiting()

    (message,) = await nats_server.received()
    assert message.subject == "live.booking.visit.created.v1"
    assert message.headers["Content-Type"] == "application/cloudevents+json"
    body = json.loads(message.body)
    assert (body["specversion"], body["id"], body["source"]) == ("1.0", event_id, "/brands/loop")


async def test_a_stream_that_is_made_keeps_events_on_disk_and_drops_repeats_for_an_hour(
    nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    await new_publisher(kept_seconds=86_400.0).publish_waiting()

    made = await nats_server.config_of()
    assert (made.subjects, made.storage) == (["booking.>"], StorageType.FILE)
    assert (made.duplicate_window, made.max_age) == (DUPLICATE_SECONDS, 86_400)


async def test_an_operators_own_stream_stays_as_it_is(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    wanted = {"subjects": ["booking.>", "other"], "storage": StorageType.MEMORY, "max_msgs": 7}
    await nats_server.make_stream(**wanted)
    write_visits(world, visits=9)

    await new_publisher(kept_seconds=60.0).publish_waiting()

    found = await nats_server.config_of()
    assert {name: getattr(found, name) for name in wanted} == wanted


async def test_a_stream_that_is_full_is_heard_of_and_gets_the_rest_once_there_is_room(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    await nats_server.make_stream(
        subjects=["booking.>"], max_bytes=5_000, discard=DiscardPolicy.NEW
    )
    written = write_visits(world, visits=40, events=3)
    one = new_publisher()

    for _ in range(3):
        with pytest.raises(BusUnavailable, match="refused_10077"):
            await one.publish_waiting()
    were_in = bookmark_of(world)
    await nats_server.change_stream(max_bytes=10_000_000)
    await one.publish_waiting()

    assert 0 < were_in < len(written)
    assert_complete(await nats_server.received(), written)


async def test_what_one_event_is_refused_for_holds_up_no_other_brand(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    await nats_server.make_stream(subjects=["booking.>"], max_msg_size=600)
    world.sql(
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)"
        " VALUES ('evt_long', %s, 'booking.visit.created.v1', 'vis_long', 1, %s)",
        LOOP,
        json.dumps({"visit_id": "x" * 600}),
    )
    theirs = write_visits(world, visits=BATCH_EVENTS + 10, brand_id=LOOPBIO)

    with pytest.raises(BusUnavailable, match="refused_10054"):
        await new_publisher().publish_waiting()

    assert [each.event_id for each in await nats_server.received()] == theirs
    assert (bookmark_of(world), bookmark_of(world, LOOPBIO)) == (0, len(theirs))


async def test_an_event_that_is_refused_keeps_its_place_before_its_visits_next(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    # Repeats are dropped for so short a time that whatever is sent again would be there twice.
    await nats_server.make_stream(subjects=["booking.>"], max_msg_size=600, duplicate_window=0.1)
    written = write_visits(world, visits=20, events=2)
    world.sql(
        "UPDATE booking.event SET data = data || %s WHERE event_id = %s",
        json.dumps({"slot_id": "x" * 600}),
        written[5],
    )
    one = new_publisher()

    with pytest.raises(BusUnavailable, match="refused_10054"):
        await one.publish_waiting()
    was_in = await nats_server.count()
    await asyncio.sleep(0.3)
    await nats_server.change_stream(max_msg_size=10_000)
    await one.publish_waiting()

    assert was_in == 19
    assert_complete(await nats_server.received(), written)


async def test_an_answer_of_somebody_else_is_not_taken_for_the_streams(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    await nats_server.make_stream(subjects=["another.>"])
    async with nats_server.connected() as streams:
        client = streams._nc  # noqa: SLF001 - nats-py offers no other way to it
        answers = {"n": 0}

        async def answer(message: object) -> None:
            answers["n"] += 1
            await message.respond(b'{"stream": "OTHER", "seq": 1}')  # type: ignore[attr-defined]  # a message

        await client.subscribe("booking.>", cb=answer)
        await client.flush()
        write_visits(world, visits=1)

        with pytest.raises(BusUnavailable, match="no_ack"):
            await new_publisher().publish_waiting()

    assert (answers["n"], bookmark_of(world)) == (1, 0)


async def test_a_stream_that_somebody_deletes_is_made_again(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    one = new_publisher()
    await one.publish_waiting()
    async with nats_server.connected() as streams:
        await streams.delete_stream("BOOKWELL")
    written = write_visits(world, visits=5)

    with pytest.raises(BusUnavailable, match="no_stream"):
        await one.publish_waiting()
    await one.publish_waiting()

    assert_complete(await nats_server.received(), written)


async def test_a_log_whose_oldest_events_are_gone_is_published_from_what_is_kept(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    written = write_visits(world, visits=20)
    world.sql("DELETE FROM booking.event WHERE position <= 15")
    world.sql("UPDATE booking.event_log SET kept_from = 16")

    await new_publisher().publish_waiting()

    assert [each.event_id for each in await nats_server.received()] == written[15:]
    assert bookmark_of(world) == 20


async def test_a_log_that_is_wholly_gone_leaves_nothing_to_do(
    world: World, new_publisher: NewPublisher
) -> None:
    write_visits(world, visits=20)
    world.sql("DELETE FROM booking.event")
    world.sql("UPDATE booking.event_log SET kept_from = 21")

    async with asyncio.timeout(10):
        await new_publisher().publish_waiting()

    assert bookmark_of(world) == 20


async def test_no_event_is_swept_from_the_log_before_it_is_published(
    world: World, new_publisher: NewPublisher
) -> None:
    write_visits(world, visits=3)
    await new_publisher().publish_waiting()
    write_visits(world, visits=4)
    world.shift_clock(timedelta(days=400))
    connection = await asyncpg.connect(world.database_url)

    gone = [
        await event_retention.sweep(
            connection, brand_id=LOOP, kept_for=timedelta(days=90), is_published=is_published
        )
        for is_published in (True, True, False)
    ]

    assert gone == [3, 0, 4]
    await connection.close()


async def test_the_lag_counts_what_waits_and_how_long_the_oldest_has(
    world: World, new_publisher: NewPublisher
) -> None:
    write_visits(world, visits=4)
    await new_publisher().publish_waiting()
    write_visits(world, visits=3, brand_id=LOOP)
    write_visits(world, visits=2, brand_id=LOOPBIO)
    world.shift_clock(timedelta(seconds=90))

    lags = {each.brand_id: each for each in await lags_of(world)}

    assert {brand: each.events_behind for brand, each in lags.items()} == {LOOP: 3, LOOPBIO: 2}
    assert all(90 <= each.seconds_behind < 120 for each in lags.values())


async def lags_of(world: World) -> list[bookmarks.Lag]:
    connection = await asyncpg.connect(world.database_url)
    try:
        return await bookmarks.lag_of(connection)
    finally:
        await connection.close()
