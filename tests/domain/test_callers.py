import pytest

from bookwell.domain.callers import ADMIN_SCOPE, SCOPES, Call, Caller, Role


def a_caller(role: Role, *scopes: str, patient_id: str | None = None) -> Caller:
    return Caller(
        role=role, subject="s", brand_id="loop", scopes=frozenset(scopes), patient_id=patient_id
    )


@pytest.mark.parametrize("noun", ["visits", "slots", "bookings"])
def test_manage_is_read_and_write_of_its_own_resource_and_nothing_else(noun: str) -> None:
    caller = a_caller(Role.STAFF, f"manage:{noun}")

    allowed = {scope for scope in SCOPES if caller.may(scope)}

    assert allowed == {f"read:{noun}", f"write:{noun}", f"manage:{noun}"}


def test_write_does_not_imply_read() -> None:
    assert not a_caller(Role.STAFF, "write:visits").may("read:visits")


@pytest.mark.parametrize("role", [Role.STAFF, Role.SERVICE])
def test_admin_is_everything_for_staff_and_services(role: Role) -> None:
    assert all(a_caller(role, ADMIN_SCOPE).may(scope) for scope in SCOPES)


def test_admin_is_nothing_for_a_patient_whatever_the_token_says() -> None:
    assert not any(a_caller(Role.PATIENT, ADMIN_SCOPE).may(scope) for scope in SCOPES)


def test_a_patient_unknown_to_the_brand_sees_nobody_instead_of_everybody() -> None:
    call = Call(caller=a_caller(Role.PATIENT), brand_id="loop", request_id="r")

    assert call.patient_id is not None
    assert call.patient_id == ""


def test_staff_and_services_are_bound_to_no_patient() -> None:
    for role in (Role.STAFF, Role.SERVICE):
        assert Call(caller=a_caller(role), brand_id="loop", request_id="r").patient_id is None
