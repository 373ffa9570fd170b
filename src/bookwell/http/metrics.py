"""The metrics, in the text format of Prometheus.

They are read from the database at each request, so any worker answers for all of them, and a
counter goes on where it was after a restart.
"""

from collections.abc import Iterable, Iterator

from litestar import Response, get
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.http.auth import brand_of, caller_of
from bookwell.http.calls import AnyRequest, database_of
from bookwell.http.routes import operation, refusals
from bookwell.storage.metrics import Figures
from bookwell.usecases import metrics

# Whom it is sent to wants the version; Litestar adds the charset.
_MEDIA_TYPE = "text/plain; version=0.0.4"
_BRAND = ["brand_id"]
_ENDPOINT = ["brand_id", "endpoint_id"]


@get(
    "/metrics",
    **operation("get_metrics", "Read the metrics", tag="admin", scope=ADMIN_SCOPE),
    media_type=_MEDIA_TYPE,
    response_description="The metrics, in Prometheus' text format",
    responses=refusals(),
)
async def get_metrics(request: AnyRequest) -> Response[bytes]:
    """How far events have come: the log, each webhook endpoint's queue, the bus.

    A token of one brand reads that brand's figures, a platform service's those of all.
    """
    caller = caller_of(request)
    named = None if caller.serves_every_brand else brand_of(caller, None)
    figures = await metrics.measure(database_of(request), brand_id=caller.brand_id or named)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Measured(figures))
    return Response(generate_latest(registry), media_type=_MEDIA_TYPE)


class _Measured(Collector):
    """Figures that were read already, as Prometheus wants them."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield from self._log()
        yield from self._queues()
        yield from self._bus()

    def _log(self) -> Iterator[Metric]:
        last = CounterMetricFamily("bookwell_events", "Events in the log, ever.", labels=_BRAND)
        waiting = GaugeMetricFamily(
            "bookwell_events_unnumbered", "Events that have no place in the log yet.", labels=_BRAND
        )
        lag = GaugeMetricFamily(
            "bookwell_log_lag_seconds", "Age of the oldest of them.", labels=_BRAND
        )
        for brand in self._figures.log:
            last.add_metric([brand.brand_id], brand.last_position)
            waiting.add_metric([brand.brand_id], brand.unnumbered)
            lag.add_metric([brand.brand_id], brand.lag_seconds)
        return iter((last, waiting, lag))

    def _queues(self) -> Iterator[Metric]:
        pending = GaugeMetricFamily(
            "bookwell_webhook_pending", "Deliveries that are not settled.", labels=_ENDPOINT
        )
        oldest = GaugeMetricFamily(
            "bookwell_webhook_lag_seconds", "Age of the oldest of them.", labels=_ENDPOINT
        )
        state = GaugeMetricFamily(
            "bookwell_webhook_up",
            "1, or 0 while it is disabled or takes nothing.",
            labels=_ENDPOINT,
        )
        attempts = CounterMetricFamily(
            "bookwell_webhook_attempts",
            "Attempts, by what came of them.",
            labels=[*_ENDPOINT, "outcome"],
        )
        for queue in self._figures.queues:
            labels = [queue.brand_id, queue.endpoint_id]
            pending.add_metric(labels, queue.pending)
            oldest.add_metric(labels, queue.oldest_seconds)
            state.add_metric(labels, not (queue.is_disabled or queue.is_failing))
        for each in self._figures.attempts:
            attempts.add_metric([each.brand_id, each.endpoint_id, each.outcome], each.attempt_count)
        return iter((pending, oldest, state, attempts))

    def _bus(self) -> Iterator[Metric]:
        behind = GaugeMetricFamily(
            "bookwell_bus_events_behind", "Events that are not published yet.", labels=_BRAND
        )
        lag = GaugeMetricFamily(
            "bookwell_bus_lag_seconds", "Age of the oldest of them.", labels=_BRAND
        )
        for brand in self._figures.bus:
            behind.add_metric([brand.brand_id], brand.events_behind)
            lag.add_metric([brand.brand_id], brand.seconds_behind)
        return iter((behind, lag))


ROUTES = [get_metrics]
