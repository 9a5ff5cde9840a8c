"""Spans of the real OpenTelemetry SDK, kept in memory: a process sets its tracer provider up once."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Ended = list[ReadableSpan]


@cache
def _exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


class Spans:
    """The spans that have ended since this was made."""

    def __init__(self) -> None:
        _exporter().clear()

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(_exporter().get_finished_spans())

    def named(self, name: str) -> Ended:
        return [span for span in self if span.name == name]

    def text(self) -> str:
        """Everything that an exporter would send."""
        return "\n".join(span.to_json() for span in self)


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})
