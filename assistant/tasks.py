"""Which module does which task: one table, so that a task is added in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assistant import compare, extract, labels, summarise, sweep
from assistant.labels import Classifier
from assistant.task import Parts

Request = summarise.Request | compare.Request | extract.Request | labels.Request | sweep.Request
Step = object  # Progress, what the task shows as it goes, and at the end its result


def run(
    parts: Parts,
    request: Request,
    cancelled: Callable[[], bool] = lambda: False,
    classifier: Classifier | None = None,
) -> Iterator[Step]:
    """What the task of `request` yields; see its module. Whatever is yielded stands in the log.

    `classifier` is of use to classifying alone. Raises what the task's `run` raises.
    """
    match request:
        case summarise.Request():
            return summarise.run(parts, request, cancelled)
        case compare.Request():
            return compare.run(parts, request, cancelled)
        case extract.Request():
            return extract.run(parts, request, cancelled)
        case labels.Request():
            return labels.run(parts, request, cancelled, classifier)
        case sweep.Request():
            return sweep.run(parts, request, cancelled)
