"""What Prometheus is told."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mle_star.api.insight import Asked
from mle_star.models.data_models import Usage
from mle_star.models.events import Event

MINUTES = (1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The server's figures; each app has its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.runs = Gauge("mle_star_runs", "Runs by status.", ["status"], **own)
        self.queue = Gauge("mle_star_queue_length", "Runs that wait for their turn.", **own)
        self.readers = Gauge("mle_star_websocket_readers", "Clients that read along with a run.", **own)
        self.phases = Histogram("mle_star_phase_seconds", "Time in a phase.", ["phase"], buckets=MINUTES, **own)
        self.agents = Histogram(
            "mle_star_agent_seconds", "From an agent's question to a usable reply.", ["agent"], buckets=SECONDS, **own
        )
        self.scripts = Counter("mle_star_scripts", "Scripts by what came of them.", ["outcome"], **own)
        self.script_seconds = Histogram("mle_star_script_seconds", "Time of a script.", buckets=MINUTES, **own)
        self.tokens = Counter("mle_star_tokens", "Tokens of model calls.", ["direction"], **own)
        self.calls = Counter("mle_star_model_calls", "Model calls.", **own)
        self.endings = Counter("mle_star_runs_ended", "Runs by how they ended.", ["status"], **own)
        self._phase: dict[str, tuple[str, float]] = {}
        self._usage: dict[str, Usage] = {}

    def begin(self, run_id: str, usage: Usage) -> None:
        """Count a run from here: what it spent before was counted by another process, or before a pause."""
        self._usage[run_id] = usage

    def event(self, run_id: str, event: Event, asked: Asked | None) -> None:
        """Take in one event, with the question that it ended."""
        if asked is not None:
            self.agents.labels(asked.agent).observe(asked.seconds)
        if event.kind == "script finished":
            self.scripts.labels(event.error or "ran").inc()
            self.script_seconds.observe(event.seconds or 0.0)
        if event.phase and event.path in (None, 1):
            phase, since = self._phase.get(run_id, (event.phase, event.elapsed))
            if phase != event.phase:
                self.phases.labels(phase).observe(max(0.0, event.elapsed - since))
                since = event.elapsed
            self._phase[run_id] = (event.phase, since)

    def usage(self, run_id: str, usage: Usage) -> None:
        """Take in what a run has spent so far."""
        before, now = self._usage.get(run_id, Usage()).total, usage.total
        self._usage[run_id] = usage
        self.calls.inc(max(0, now.calls - before.calls))
        self.tokens.labels("input").inc(max(0, now.input_tokens - before.input_tokens))
        self.tokens.labels("output").inc(max(0, now.output_tokens - before.output_tokens))

    def end(self, run_id: str, status: str, seconds: float) -> None:
        """Note that a run is not at work any more."""
        self.endings.labels(status).inc()
        phase, since = self._phase.pop(run_id, ("", 0.0))
        if phase:
            self.phases.labels(phase).observe(max(0.0, seconds - since))
        self._usage.pop(run_id, None)

    def text(self, by_status: dict[str, int], queue: int, readers: int) -> bytes:
        """Write all figures in Prometheus' form."""
        self.runs.clear()
        for status, number in by_status.items():
            self.runs.labels(status).set(number)
        self.queue.set(queue)
        self.readers.set(readers)
        return generate_latest(self.registry)
