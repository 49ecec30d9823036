"""`/metrics` in the format of Prometheus: off by default, then for a Bearer token or for addresses of a list."""

import logging
import platform
from collections.abc import Iterator

from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from desk import __version__, health, metrics
from desk.probe_access import has_metrics_access

logger = logging.getLogger(__name__)

BUILD = "Version of Desk and Python"  # English only: for programs
STREAMS = "Open live streams of all processes"  # English only: for programs
DATABASE = "Whether the database answers"  # English only: for programs
HOW_TO_ASK = "Send the token of DESK_METRICS_TOKEN: Authorization: Bearer …\n"  # English only: for programs


@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Answer with all metrics; 404 while they are switched off, 403 for those who may not read them."""
    if not metrics.is_on():
        raise Http404
    if not has_metrics_access(request):
        return HttpResponse(HOW_TO_ASK, "text/plain", 403)
    registry = CollectorRegistry()
    registry.register(_Database())
    with metrics.all_processes() as processes:
        registry.register(processes)
        return HttpResponse(generate_latest(registry), CONTENT_TYPE_LATEST)


class _Database(Collector):
    """What is true now, read at each scrape: no process has to be alive for it, and none leaves a value behind."""

    def collect(self) -> Iterator[Metric]:
        """Yield build, open streams, and from the parts of `/readyz` depth and age of each queue."""
        build = GaugeMetricFamily("desk_build_info", BUILD, labels=["version", "python"])
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily("desk_live_streams", STREAMS, metrics.open_streams())
        try:
            parts = {name: part for name, part in health.reports().items() if isinstance(part.values, dict)}
        except DatabaseError as error:
            logger.warning("The metrics of the queues cannot be read: %s", error)
            parts = {}
        yield GaugeMetricFamily("desk_database_up", DATABASE, 1 if parts else 0)
        for part, report in parts.items():
            for name, value in report.values.items():
                if isinstance(value, int | float):
                    unit = name.removesuffix("_s") + "_seconds" if name.endswith("_s") else name
                    yield GaugeMetricFamily(f"desk_{part}_{unit}", f"{part}.{name} of /readyz", float(value))
