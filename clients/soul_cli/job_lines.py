"""How jobs are shown in ``soul status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from soul_cli import output

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.job_wire import JobStatus


def status_rows(texts: Texts, jobs: Sequence[JobStatus]) -> list[tuple[str, str]]:
    """Return a row for each job: what it waits for, when it began last, why that failed."""
    return [(texts("status.job"), _line(texts, one)) for one in jobs]


def _line(texts: Texts, job: JobStatus) -> str:
    waits = job.waiting_for or "nothing"
    name = output.for_terminal(job.name)
    parts = [texts(f"job.waits.{waits}", name=name, next=output.moment(job.next_at))]
    if job.last_at:
        parts.append(texts("job.last", last=output.moment(job.last_at)))
    if job.problem:
        parts.append(texts("job.problem", problem=output.for_terminal(job.problem)))
    return "; ".join(parts)
