from bookwell.domain.callers import SCOPES, Caller, Role, operator


def test_the_operator_may_everything_for_every_brand_and_is_the_system_in_the_audit() -> None:
    caller = operator("cli:ada")

    assert all(caller.may(scope) for scope in SCOPES)
    assert caller.brand_id is None
    assert (caller.actor_type, caller.subject) == ("system", "cli:ada")
    assert caller.acting_for("loop").actor_type == "system"


def test_no_role_of_a_token_is_the_operator() -> None:
    callers = [Caller(role=role, subject="s", brand_id=None, scopes=frozenset()) for role in Role]

    assert "system" not in {caller.actor_type for caller in callers}
