"""Ranking metrics as trec_eval computes them. Pure functions over ids.

`ranked`: ids, best first, each at most once. `judged`: id -> relevance of the question's judged
ids; a relevance above 0 is relevant, an id that is not judged is not. Every metric is in 0..1.
Source: trec_eval's `recall`, `map_cut`, `ndcg_cut`, `recip_rank` and `success`, to which the tests
compare these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2


def relevant_ids(judged: Mapping[str, int]) -> frozenset[str]:
    return frozenset(id_ for id_, relevance in judged.items() if relevance > 0)


def recall_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Share of all relevant ids that stand among the first `k` (`recall_k`)."""
    relevant = relevant_ids(judged)
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def average_precision_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Mean over all relevant ids of the precision at their rank, 0 beyond `k` (`map_cut_k`)."""
    relevant = relevant_ids(judged)
    found, total = 0, 0.0
    for rank, id_ in enumerate(ranked[:k], start=1):
        if id_ in relevant:
            found += 1
            total += found / rank
    return total / len(relevant) if relevant else 0.0


def ndcg_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Discounted gain over that of the ideal order; gain = relevance, discount = log2(rank + 1)."""
    gains = [max(judged.get(id_, 0), 0) for id_ in ranked[:k]]
    ideal = sorted((relevance for relevance in judged.values() if relevance > 0), reverse=True)[:k]
    best = _discounted(ideal)
    return _discounted(gains) / best if best else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def reciprocal_rank_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """1 over the rank of the first relevant id, 0 if none stands among the first `k`
    (`recip_rank` of a ranking that is cut at `k`)."""
    rank = first_rank(ranked[:k], judged)
    return 1.0 / rank if rank else 0.0


def success_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """1 if any relevant id stands among the first `k`, else 0 (`success_k`)."""
    return float(first_rank(ranked[:k], judged) is not None)


def first_rank(ranked: Sequence[str], judged: Mapping[str, int]) -> int | None:
    """The rank from 1 of the first relevant id, None if there is none."""
    relevant = relevant_ids(judged)
    return next((rank for rank, id_ in enumerate(ranked, start=1) if id_ in relevant), None)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed; 0.0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    position = max(0, min(len(ordered) - 1, -(-len(ordered) * share // 1) - 1))
    return ordered[int(position)]
