"""Facts, counted for Prometheus. Labels have few values, all of them ours: no id, name, model or text is ever one.

Jupyter serves the registry of the process at `/metrics`; a process has one `Metrics` on it, however many servers it
runs. `docs/metrics.md` says what each of them means.
"""

from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from jupyter_durable_chat import facts as f
from jupyter_durable_chat.log import facts as log

PREFIX = "jupyter_durable_chat"

APPEND_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
FIRST_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
TURN_SECONDS = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 6 * 3600, 24 * 3600)
OPERATIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
EVENTS = (0, 1, 10, 100, 1000, 10_000, 100_000)

OUTCOMES = ("completed", "stopped", "failed", "truncated", "interrupted")
STORES = ("sqlite", "postgres", "memory")
TRANSPORTS = ("stream", "pages")
BREAKS = ("compacted", "ahead")


Labels = Mapping[str, tuple[str, ...]]
NONE: Labels = {}

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class Metrics:
    """Counts what it is told, on this registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, labels: Labels = NONE) -> Counter:
            return _shown(Counter(f"{PREFIX}_{name}", about, [*labels], registry=registry), labels)

        def gauge(name: str, about: str, labels: Labels = NONE) -> Gauge:
            return _shown(Gauge(f"{PREFIX}_{name}", about, [*labels], registry=registry), labels)

        def histogram(name: str, about: str, buckets: tuple[float, ...], labels: Labels = NONE) -> Histogram:
            made = Histogram(f"{PREFIX}_{name}", about, [*labels], buckets=buckets, registry=registry)
            return _shown(made, labels)

        self._running = gauge("turns_running", "Turns that run in this process, those that wait for somebody included.")
        self._turns = counter("turns_total", "Turns whose outcome was stored.", {"outcome": OUTCOMES})
        self._turn = histogram("turn_duration_seconds", "From a turn's start to its stored outcome.", TURN_SECONDS)
        self._first = histogram(
            "time_to_first_token_seconds",
            "From the start of a turn to its first text or reasoning that is durable in the log.",
            FIRST_TOKEN_SECONDS,
        )
        self._tokens = counter("tokens_total", "Tokens that turns have used.", {"direction": ("input", "output")})
        self._readers = gauge("readers", "Open connections that read events.", {"transport": TRANSPORTS})
        self._gap = histogram(
            "resume_gap_events", "Events that a reader had missed when it came back to a stream, by session.", EVENTS
        )
        self._breaks = counter(
            "resume_breaks_total", "Readers that were not given every event after their position.", {"reason": BREAKS}
        )
        self._append = histogram(
            "append_duration_seconds", "From an append to its being durable.", APPEND_SECONDS, {"store": STORES}
        )
        self._flush = histogram("flush_operations", "Operations that one commit stored.", OPERATIONS, {"store": STORES})
        self._fenced = counter(
            "fenced_appends_total", "Appends refused because their writer had lost its lease.", {"store": STORES}
        )
        self._failed = counter(
            "failed_appends_total", "Appends that failed because the store could not be used.", {"store": STORES}
        )

    def __call__(self, fact: f.Fact) -> None:
        match fact:
            case log.Appended(store, seconds):
                self._append.labels(store).observe(seconds)
            case log.Flushed(store, operations):
                self._flush.labels(store).observe(operations)
            case log.FencedOff(store):
                self._fenced.labels(store).inc()
            case log.Unstored(store):
                self._failed.labels(store).inc()
            case f.TurnBegun():
                self._running.inc()
            case f.TurnLeft():
                self._running.dec()
            case f.FirstToken():
                self._first.observe(fact.seconds)
            case f.TurnEnded():
                self._turns.labels(fact.outcome).inc()
                self._turn.observe(fact.seconds)
                self._tokens.labels("input").inc(fact.input_tokens)
                self._tokens.labels("output").inc(fact.output_tokens)
            case f.ReaderCame(transport):
                self._readers.labels(transport).inc()
            case f.ReaderLeft(transport):
                self._readers.labels(transport).dec()
            case f.Resumed(events):
                self._gap.observe(events)
            case f.ResumeBroke(reason):
                self._breaks.labels(reason).inc()


def _shown(collector: Kind, labels: Labels) -> Kind:
    """The same, with each value of its label at zero from the beginning: a rate needs something to grow from.

    Which store a process has is not known as yet, and one that it has not is not shown.
    """
    for name, values in labels.items():
        for value in values if name != "store" else ():
            collector.labels(value)
    return collector


@cache
def shared() -> Metrics:
    """The one of this process, on the registry that Jupyter serves."""
    return Metrics(REGISTRY)


def serve_metrics(port: int) -> None:
    """Have Prometheus find them at this port, on this machine only."""
    start_http_server(port, addr="127.0.0.1")
