"""A test's people and things at four distances: its own, another's, another brand's, nobody's."""

from dataclasses import dataclass, field

from clinic import Clinic, Patient, monday_morning
from world import ALL_SCOPES, LOOP, LOOPBIO

OWN, OTHERS, FOREIGN, UNKNOWN = "own", "another patient's", "another brand's", "nobody's"
REACHES = (OWN, OTHERS, FOREIGN, UNKNOWN)
PATIENT, STAFF, SERVICE = "patient", "staff", "service"
CALLERS = (PATIENT, STAFF, SERVICE)


@dataclass(frozen=True)
class Scene:
    """A test's own patient, another of the same brand, and one of the other brand."""

    clinic: Clinic
    caller: str
    is_admin: bool = False
    own: Patient = field(init=False)
    other: Patient = field(init=False)
    foreign: Patient = field(init=False)

    def __post_init__(self) -> None:
        for name, brand_id in (("own", LOOP), ("other", LOOP), ("foreign", LOOPBIO)):
            object.__setattr__(self, name, self.clinic.patient(brand_id))

    @property
    def token(self) -> str:
        scopes = ["admin:booking"] if self.is_admin else ALL_SCOPES
        if self.caller == PATIENT and not self.is_admin:
            return self.own.token
        return self.clinic.token(self.caller, f"somebody-{self.caller}", scopes=scopes)

    def patient(self, reach: str) -> str:
        return {
            OWN: self.own.patient_id,
            OTHERS: self.other.patient_id,
            FOREIGN: self.foreign.patient_id,
            UNKNOWN: "pat_never",
        }[reach]

    def provider(self, reach: str, kind: str = "clinician") -> str:
        """Providers belong to no patient: another's is the brand's own."""
        if reach == UNKNOWN:
            return "prv_never"
        return self.clinic.provider(LOOPBIO if reach == FOREIGN else LOOP, kind=kind)

    def slot(self, reach: str) -> str:
        if reach == UNKNOWN:
            return "slt_never"
        brand_id = LOOPBIO if reach == FOREIGN else LOOP
        return self.clinic.slot(provider_id=self.provider(reach), brand_id=brand_id)

    def visit(self, reach: str, *, has_begun: bool = False) -> str:
        if reach == UNKNOWN:
            return "vis_never"
        brand_id = LOOPBIO if reach == FOREIGN else LOOP
        wanted = self.clinic.world.book(
            self.slot(reach), brand_id=brand_id, patient_id=self.patient(reach), reason="private"
        )
        booked = self.clinic.post("/v1/visits", wanted, token=self.clinic.world.platform)
        visit_id: str = booked.json()["id"]
        if has_begun:
            self.clinic.world.sql(
                "UPDATE booking.visit SET starts_at = now() - interval '1 h' WHERE visit_id = %s",
                visit_id,
            )
        return visit_id

    def hold(self, reach: str, slot_id: str | None = None) -> str:
        if reach == UNKNOWN:
            return "vis_never"
        brand_id = LOOPBIO if reach == FOREIGN else LOOP
        held = self.clinic.post(
            f"/v1/slots/{slot_id or self.slot(reach)}/hold",
            {"brand_id": brand_id, "patient_id": self.patient(reach), "reason": "private"},
            token=self.clinic.world.platform,
        )
        visit_id: str = held.json()["id"]
        return visit_id

    def coach(self, reach: str) -> str:
        coach_id = self.provider(reach, kind="coach")
        if reach != UNKNOWN:
            platform = {"token": self.clinic.world.platform}
            brand = {"X-Brand-Id": LOOPBIO if reach == FOREIGN else LOOP}
            path = f"/v1/coaches/{coach_id}/office-hours"
            self.clinic.post(path, monday_morning(), headers=brand, **platform)
        return coach_id

    def booking(self, reach: str) -> str:
        if reach == UNKNOWN:
            return "ohb_never"
        whose = {OWN: self.own, OTHERS: self.other, FOREIGN: self.foreign}[reach]
        coach_id = self.coach(reach)
        sessions = self.clinic.get(f"/v1/coaches/{coach_id}/slots", token=whose.token).json()
        body = {"slot_at": sessions["slots"][0]["slot_at"]}
        taken = self.clinic.post(f"/v1/coaches/{coach_id}/bookings", body, token=whose.token)
        booking_id: str = taken.json()["id"]
        return booking_id

    def visit_type(self, reach: str) -> str:
        """Visit types belong to no patient: another's is the brand's own."""
        if reach == UNKNOWN:
            return "type_never"
        return self.clinic.visit_type(self.brand(reach))

    def licence(self, reach: str, provider_id: str) -> str:
        if reach == UNKNOWN:
            return "lic_never"
        return self.clinic.licence(provider_id, self.brand(reach))

    def endpoint(self, reach: str) -> str:
        """Endpoints belong to no patient: another's is the brand's own."""
        if reach == UNKNOWN:
            return "whe_never"
        return self.clinic.endpoint(self.brand(reach))

    def brand(self, reach: str) -> str:
        return {OWN: LOOP, OTHERS: LOOP, FOREIGN: LOOPBIO, UNKNOWN: "never"}[reach]

    def token_id(self, reach: str) -> str:
        if reach == UNKNOWN:
            return "tok_never"
        subject = self.clinic.new_id("sub")
        self.clinic.token("staff", subject, brand_id=self.brand(reach))
        ((token_id,),) = self.clinic.world.sql(
            "SELECT token_id FROM booking.token WHERE subject = %s", subject
        )
        return str(token_id)
