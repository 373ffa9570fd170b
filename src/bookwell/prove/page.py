"""The report as one HTML page that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable
from datetime import UTC
from importlib.resources import files
from pathlib import Path

from bookwell.prove.charts import SECOND_MS, latency_axis, latency_ends, latency_track, timeline
from bookwell.prove.markup import Html, tag
from bookwell.prove.report import Check, Fault, Latency, Left, Report, Second, Tally

# What a browser may load for this page: nothing. The style stands in it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = files("bookwell.prove").joinpath("page.css").read_text(encoding="utf-8")
# Of these the number found is a figure that says something by itself.
COUNTED = ("double bookings", "lost acknowledgements", "bookings nobody made", "false conflicts")

_MARKS = {
    True: ("✓", "held", "holds"),
    False: ("✗", "broken", "fails"),
    None: ("?", "open", "open"),
}


def write_page(path: Path, report: Report) -> None:
    """Write the page. Raises OSError."""
    path.write_text(page_of(report), encoding="utf-8")


def page_of(report: Report) -> str:
    """The whole page, as text."""
    verdict = _verdict_of(report)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"bookwell prove: {verdict}"),
        tag("style", Html(STYLE)),
    )
    parts = [
        _header(report, verdict),
        _figures(report),
        _checks(report),
        _race(report),
        *([_sent(report.left)] if report.left else []),
        _latencies(report),
        _answers(report),
        _repeat(report),
    ]
    body = tag("body", tag("main", *parts))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _verdict_of(report: Report) -> str:
    broken = sum(check.holds is False for check in report.checks)
    undecided = sum(check.holds is None for check in report.checks)
    if broken:
        return f"{_number_of(broken, 'promise was', 'promises were')} broken."
    if undecided:
        return f"Nothing was found wrong; {_number_of(undecided, 'check', 'checks')} not decided."
    return "Every promise was kept."


def _header(report: Report, verdict: str) -> Html:
    clients = _number_of(report.clients, "client", "clients")
    blows = _number_of(len(report.faults), "time", "times")
    did = "raced" if report.left is None else "changed things"
    said = (
        f"{clients} {did} for {report.seconds:,.0f} seconds and made "
        f"{_number_of(report.total.attempts, 'call', 'calls')}."
    )
    if report.left is not None and not report.left.has_every_fault:
        said += f" Workers of the service were killed {blows} with SIGKILL."
    elif report.faults:
        said += f" Parts of the service and its database were killed {blows} with SIGKILL."
    if report.left is not None:
        events = _number_of(report.left.events, "event", "events")
        receivers = _number_of(len(report.left.sent), "receiver", "receivers")
        said += f" {events} left for {receivers} that failed on purpose."
    began_at = report.began_at.astimezone(UTC)
    return tag(
        "header",
        tag("p", "bookwell prove", class_="name"),
        tag("h1", verdict),
        tag("p", said),
        tag("p", f"{began_at:%d %B %Y, %H:%M} UTC · seed {report.seed}", class_="quiet"),
        class_=_kind_of(report),
    )


def _kind_of(report: Report) -> str:
    """A green page says that everything was looked at, and nothing was found."""
    if not report.is_proven:
        return "broken"
    return "proven" if all(check.holds for check in report.checks) else "undecided"


def _figures(report: Report) -> Html:
    total = report.total
    rate = total.attempts / report.seconds if report.seconds else 0.0
    tiles = [
        (f"{total.attempts:,}", "calls", f"{rate:,.0f} a second"),
        (f"{total.winners:,}", "won", "did what they asked for"),
        (f"{sum(total.losers.values()):,}", "refused", "with the reason"),
        (f"{total.resolved:,}", "resolved", "no answer at first, then by their key"),
        (f"{total.unanswered:,}", "unanswered", "to the end; a read has no key to ask by"),
        *(
            (f"{check.found:,}", check.name, "")
            for check in report.checks
            if check.found is not None and check.name in COUNTED
        ),
    ]
    return tag(
        "section",
        tag("h2", "Figures"),
        tag("dl", *(_tile(*tile) for tile in tiles), class_="tiles"),
    )


def _tile(figure: str, name: str, more: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", figure), tag("dd", more, class_="quiet"))


def _checks(report: Report) -> Html:
    return tag(
        "section",
        tag("h2", "Promises, one by one"),
        tag("ul", *(_check(check, report) for check in report.checks), class_="checks"),
    )


def _check(check: Check, report: Report) -> Html:
    mark, word, kind = _MARKS[check.holds]
    calls = [
        tag("li", f"Call {number}: {report.named_calls.get(number, 'not described.')}")
        for number in check.calls
    ]
    return tag(
        "li",
        tag("span", mark, class_="mark", aria_hidden="true"),
        tag(
            "div",
            tag("h3", check.name, tag("em", word)),
            tag("p", check.sentence),
            *([tag("ol", *calls)] if calls else []),
        ),
        class_=kind,
    )


def _race(report: Report) -> Html:
    key = [
        tag("span", tag("i", class_=name), words)
        for name, words in (
            ("winners", "won"),
            ("attempts", "refused"),
            ("lost", "no answer at first"),
            ("struck", "killed, until ready again"),
        )
        if name != "struck" or report.faults
    ]
    faults = [_faults_table(report.faults)] if report.faults else []
    return tag(
        "section",
        tag("h2", "The race, second by second"),
        tag("p", *key, class_="key"),
        timeline(report.timeline, report.faults, report.seconds),
        *faults,
        _folded("The same as a table", _seconds_table(report.timeline)),
    )


def _faults_table(faults: list[Fault]) -> Html:
    healed = [fault.healed_at - fault.at for fault in faults if fault.healed_at is not None]
    words = f"{_number_of(len(faults), 'fault', 'faults')}"
    if healed:
        words += f"; the service was ready again after {max(healed):.1f} s at most"
    rows = [
        (f"{fault.at:.2f} s", fault.what, _healing_of(fault))
        for fault in sorted(faults, key=lambda fault: fault.at)
    ]
    return _folded(words, _table(("At", "What was done", "Ready again"), rows, text_columns=(1,)))


def _healing_of(fault: Fault) -> str:
    if fault.healed_at is None:
        return "the next came first"
    return f"after {fault.healed_at - fault.at:.2f} s"


def _seconds_table(seconds: list[Second]) -> Html:
    rows = [
        (
            f"{second.at}",
            f"{second.attempts:,}",
            f"{second.winners:,}",
            f"{second.lost:,}",
            "" if second.p99_ms is None else _ms(second.p99_ms),
        )
        for second in seconds
    ]
    return _table(("Second", "Calls", "Won", "No answer at first", "p99"), rows)


def _sent(left: Left) -> Html:
    rows = [
        (
            sent.name,
            sent.brand_id,
            *(f"{count:,}" for count in (sent.events, sent.requests, sent.taken)),
            ", ".join(f"{name} {count:,}" for name, count in sent.conducts.items()),
        )
        for sent in left.sent
    ]
    names = ("Endpoint", "Brand", "Events", "Requests", "Taken", "What its receiver did")
    return tag(
        "section",
        tag("h2", "What each endpoint was sent"),
        _table(names, rows, text_columns=(0, 1, 5)),
    )


def _latencies(report: Report) -> Html:
    timed = [
        (tally.operation, tally.latency)
        for tally in (*report.tallies, report.total)
        if tally.latency is not None
    ]
    ends = latency_ends([latency for _, latency in timed])
    head = [tag("th", name, scope="col") for name in ("Operation", "p50", "p90", "p99", "longest")]
    axis = tag("th", tag("span", "Chart", class_="unseen"), latency_axis(ends), class_="charted")
    rows = [_latency_row(name, latency, ends) for name, latency in timed]
    return tag(
        "section",
        tag("h2", "How long an answer took"),
        tag(
            "p",
            "First answers of the service, won or refused. The bar reaches from the median to the "
            "99th percentile with a mark at the 90th, the line on to the longest; each step of the "
            "scale is ten times the one before.",
            class_="quiet",
        ),
        tag(
            "table",
            tag("thead", tag("tr", *head, axis)),
            tag("tbody", *rows),
            class_="latencies",
        ),
    )


def _latency_row(name: str, latency: Latency, ends: tuple[float, float]) -> Html:
    figures = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.longest_ms)
    return tag(
        "tr",
        tag("th", _words(name), scope="row"),
        *(tag("td", _ms(figure)) for figure in figures),
        tag("td", latency_track(latency, ends), class_="charted"),
    )


def _answers(report: Report) -> Html:
    names = ("Operation", "Calls", "Won", "Refused", "Resolved by key", "Unanswered", "Reasons")
    rows = [_tally_row(tally) for tally in (*report.tallies, report.total)]
    return tag(
        "section",
        tag("h2", "Who won, and why others did not"),
        _table(names, rows, text_columns=(0, 6)),
    )


def _tally_row(tally: Tally) -> tuple[str, ...]:
    reasons = sorted(tally.losers.items(), key=lambda item: (-item[1], item[0]))
    counts = (tally.attempts, tally.winners, sum(tally.losers.values()))
    return (
        _words(tally.operation),
        *(f"{count:,}" for count in (*counts, tally.resolved, tally.unanswered)),
        ", ".join(f"{code} {count:,}" for code, count in reasons) or "none",
    )


def _repeat(report: Report) -> Html:
    target, machine = report.target, report.machine
    kind = "a fresh embedded one" if target.is_embedded else "a service of the operator's"
    asked = "the database itself was asked" if target.is_database_asked else "the API was asked"
    facts = [
        ("Target", f"{target.base_url}, {kind}"),
        ("Workers", "" if target.workers is None else str(target.workers)),
        ("Database", target.database_version or ""),
        ("Checked by", f"the history of the calls; {asked}"),
        ("Brand", target.brand_id),
        (
            "Machine",
            f"{machine.system}, {_number_of(machine.processors, 'processor', 'processors')}",
        ),
        ("Software", f"bookwell {machine.bookwell}, Python {machine.python}"),
        ("Seed", str(report.seed)),
    ]
    return tag(
        "section",
        tag("h2", "Where, and how to repeat it"),
        tag(
            "dl",
            *(tag("div", tag("dt", name), tag("dd", fact)) for name, fact in facts if fact),
            class_="facts",
        ),
        tag("pre", _command_of(report)),
        tag(
            "p",
            "The seed draws what each client tries and what is killed when. How the calls meet "
            "depends on the machine, so the figures differ from run to run; the promises do not.",
            class_="quiet",
        ),
    )


def _command_of(report: Report) -> str:
    target = report.target
    options = {
        "url": None if target.is_embedded else target.base_url,
        "workers": target.workers,
        "clients": report.clients,
        "changes": report.left.changes if report.left else None,
        "seconds": f"{report.left.planned_seconds if report.left else report.seconds:g}",
        "seed": report.seed,
    }
    words = [f"--{name} {value}" for name, value in options.items() if value is not None]
    if report.left is not None:
        words.insert(0, "--events")
    if report.faults and (report.left is None or report.left.has_every_fault):
        words.append("--faults")
    # A service of the operator's needs a token too, which is nobody else's business.
    return " ".join(["bookwell prove", *words])


def _folded(summary: str, inside: Html) -> Html:
    return tag("details", tag("summary", summary), inside)


def _table(
    names: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, text_columns: tuple[int, ...] = ()
) -> Html:
    def cells(row: tuple[str, ...], name: str) -> list[Html]:
        return [
            tag(name, cell, class_="text" if place in text_columns else "number")
            for place, cell in enumerate(row)
        ]

    written = [tag("tr", *cells(row, "td")) for row in rows]
    table = tag("table", tag("thead", tag("tr", *cells(names, "th"))), tag("tbody", *written))
    # A wide table scrolls by itself, with the keyboard too.
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label=names[0])


def _number_of(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _ms(milliseconds: float) -> str:
    if milliseconds >= SECOND_MS:
        return f"{milliseconds / SECOND_MS:,.2f} s"
    return f"{milliseconds:.1f} ms"
