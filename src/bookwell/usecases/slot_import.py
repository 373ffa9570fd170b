"""Offer the times of a file, of many providers: all of them, or none."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import islice

import msgspec

from bookwell.domain.callers import Call
from bookwell.domain.errors import InvalidInput
from bookwell.domain.lines import Refusal, Row
from bookwell.domain.slot_lines import SlotLine, read_slot_row
from bookwell.storage import catalog, imports, journal, slot_series
from bookwell.storage.database import Database
from bookwell.storage.slot_series import Offer
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.imports import Batch

# A statement of so many is written in a fraction of a second, far below the statement timeout.
BATCH_SLOTS = 5_000
# Kept in memory between the check and the writing, some 40 bytes each; and their transaction
# writes three rows for each.
SLOTS_MAX = 1_000_000

NO_SUCH_CLINICIAN = "provider_id is no clinician of the brand."


class SlotImport:
    """One file: checked first, to its end, and then written in one transaction.

    Nothing is written, and nothing locked, before every row was found good.
    """

    def __init__(self, database: Database, call: Call) -> None:
        self._database = database
        self._call = call
        # Offers that were found good, encoded by the batch, because objects take ten times as much.
        self._good: list[bytes] = []
        self._checked = self._refused = self._last_number = 0

    async def check(self, rows: Iterable[Row | Refusal]) -> AsyncGenerator[Batch, None]:
        """Check the file's rows in their order, and tell of each batch what is wrong with it.

        Raises:
            NotFound: There is no such brand.
            InvalidInput: There are more than `SLOTS_MAX` rows.
        """
        async with self._database.reading() as connection:
            await catalog.get_brand(connection, self._call.brand_id)
            now = await journal.now(connection)
        readings = (
            row if isinstance(row, Refusal) else read_slot_row(row, now=now) for row in rows
        )
        while read := list(islice(readings, BATCH_SLOTS)):
            self._checked += len(read)
            if self._checked > SLOTS_MAX:
                raise InvalidInput(
                    f"A file holds {SLOTS_MAX:,} slots at most; split it.", field="rows"
                )
            batch = Batch(read[-1].number)
            self._last_number = batch.last_number
            async with self._database.reading() as connection:
                offers = await self._offers_of(connection, read, batch)
            self._refused += len(batch.refusals)
            if not self._refused:
                self._good.append(_encoder.encode(offers))
            yield batch

    async def write(self) -> Batch:
        """Offer what was checked, and count it.

        A time that the provider ever offered the brand, even one taken back since, stays as it is
        and counts as already there, and so does one that stands in the file twice.
        """
        assert not self._refused, "a file with a refused row is not written"
        written = Batch(self._last_number)
        async with self._database.transaction(self._call) as connection:
            # Who imports the same file meanwhile finds every slot already there.
            await imports.lock_brand(connection, self._call.brand_id)
            for encoded in self._good:
                offers = _decoder.decode(encoded)
                new = dict.fromkeys(offers)
                created = await slot_series.create(connection, self._call, [*new], only_new=True)
                written.imported += len(created)
                written.already_there += len(offers) - len(created)
        return written

    async def _offers_of(
        self, connection: AnyConnection, read: Sequence[SlotLine | Refusal], batch: Batch
    ) -> list[Offer]:
        """The offers these lines make; what is wrong with the others is noted in the batch."""
        wanted = {line.provider_id for line in read if isinstance(line, SlotLine)}
        numbers = await slot_series.find_clinicians(
            connection, brand_id=self._call.brand_id, provider_ids=sorted(wanted)
        )
        offers = []
        for line in read:
            if isinstance(line, Refusal):
                batch.refusals.append(line)
            elif line.provider_id not in numbers:
                batch.refusals.append(line.refused(NO_SUCH_CLINICIAN, column="provider_id"))
            else:
                number = numbers[line.provider_id]
                offers.append(Offer(number, line.provider_id, line.starts_at, line.ends_at))
        return offers


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Offer])
