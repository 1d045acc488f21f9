# SPDX-License-Identifier: LGPL-2.1-or-later
"""pairwise.py - few rows in which every two values of different axes meet."""
import itertools


def _pairs(row):
    return set(itertools.combinations(enumerate(row), 2))


def cover(axes):
    """Greedy: always the row of the product that has the most pairs that have not met yet; the
    same rows each time."""
    product = [(row, _pairs(row)) for row in itertools.product(*axes)]
    left = set().union(*(pairs for _, pairs in product))
    rows = []
    while left:
        row, pairs = max(product, key=lambda candidate: len(candidate[1] & left))
        rows.append(row)
        left -= pairs
    return rows
