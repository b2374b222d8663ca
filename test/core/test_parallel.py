"""The same work in one process and in several."""

from __future__ import annotations

import os
from itertools import count, islice

import pytest

from msstan_core.parallel import in_order

_FACTOR: list[int] = []


def prepare(factor: int) -> None:
    _FACTOR[:] = [factor]


def scaled(number: int) -> int:
    return number * _FACTOR[0]


def process_of(number: int) -> int:
    return os.getpid()


def refused(number: int) -> int:
    raise ValueError(f"no {number}")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("items", [0, 1, 4, 9])
def test_results_come_in_the_order_of_the_items(jobs: int, items: int) -> None:
    assert list(in_order(scaled, range(items), jobs, prepare, (3,))) == [3 * i for i in range(items)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_endless_items_are_taken_as_they_are_needed(jobs: int) -> None:
    taken = []

    def items():
        for number in count():
            taken.append(number)
            yield number

    assert list(islice(in_order(scaled, items(), jobs, prepare, (1,)), 3)) == [0, 1, 2]
    assert len(taken) <= 3 + 2 * jobs


def test_one_job_is_no_other_process() -> None:
    assert set(in_order(process_of, range(3), 1, prepare, (1,))) == {os.getpid()}
    assert os.getpid() not in set(in_order(process_of, range(3), 2, prepare, (1,)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_reaches_the_caller(jobs: int) -> None:
    with pytest.raises(ValueError, match="no 0"):
        next(in_order(refused, range(3), jobs, prepare, (1,)))
