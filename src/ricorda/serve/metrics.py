"""What the server counts, for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client finds the counts of several processes."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The counters of a process; with several processes `text` adds them up."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter("ricorda_requests", "Requests.", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "ricorda_request_seconds", "Time of requests.", ["route"], buckets=SECONDS, registry=registry
        )
        self.batch = Histogram(
            "ricorda_batch_inputs", "Inputs predicted together.", ["model"], buckets=SIZES, registry=registry
        )
        self.together = Histogram(
            "ricorda_batch_steps",
            "Sessions whose steps were taken together.",
            ["model"],
            buckets=SIZES,
            registry=registry,
        )
        self.sessions = Gauge(
            "ricorda_sessions",
            "Sessions that are open.",
            ["kind"],
            registry=registry,
            multiprocess_mode="livesum",
        )

    def text(self) -> tuple[bytes, str]:
        """All counts, and their media type."""
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def forget(process: int) -> None:
    """Take the sessions of a process that has ended out of the counts."""
    if FOLDER in os.environ:
        mark_process_dead(process)  # type: ignore[no-untyped-call]
