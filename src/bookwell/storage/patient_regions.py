"""Where patients are, in PostgreSQL."""

from collections.abc import Sequence

import msgspec

from bookwell.domain.licences import PatientRegions, Stay
from bookwell.storage.statements import AnyConnection, as_json, statement

_list_patient_regions = statement("list_patient_regions")
_delete_patient_regions = statement("delete_patient_regions")
_add_patient_regions = statement("add_patient_regions")


async def get(connection: AnyConnection, *, brand_id: str, patient_id: str) -> PatientRegions:
    """Where the patient is and when; nowhere, where nobody said."""
    rows = await _list_patient_regions.rows(connection, brand_id=brand_id, patient_id=patient_id)
    return PatientRegions(patient_id=patient_id, stays=[Stay(**row) for row in rows])


async def replace(
    connection: AnyConnection, *, brand_id: str, patient_id: str, stays: Sequence[Stay]
) -> None:
    """Keep these stays and no others. The caller holds the patient's lock."""
    whose = {"brand_id": brand_id, "patient_id": patient_id}
    await _delete_patient_regions.run(connection, **whose)
    rows = [msgspec.structs.asdict(stay) for stay in stays]
    await _add_patient_regions.run(connection, stays=as_json(rows), **whose)
