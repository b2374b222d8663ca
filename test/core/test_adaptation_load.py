"""What adaptation costs a tick is measured while it really learns, and not beside the ticks it is compared with."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from msstan_core.benchmark.adaptation_load import IDLE, LEARNING, OFF, ConstantLearner, adaptation_load
from msstan_core.inference.model_package import GUARD_FILE, ModelPackage, load_package

SHIPPED = Path(__file__).parents[2] / "models" / "default"


def test_ticks_are_timed_without_adaptation_idle_and_while_it_learns() -> None:
    found = adaptation_load(load_package(SHIPPED), rounds=2, ticks_a_turn=20)
    assert set(found["ms"]) == {OFF, IDLE, LEARNING} and found["ms"][OFF]["calls"] == 40
    assert set(found["ratio"]) == set(found["p99_ratio"]) == {IDLE, LEARNING}
    assert 0 < found["learning_share"] <= 1, "a thread that never learnt would cost nothing"


def test_model_without_a_guard_set_is_left_out() -> None:
    package = load_package(SHIPPED)
    files = {name: digest for name, digest in package.card.files.items() if name != GUARD_FILE}
    bare = ModelPackage(package.directory, package.card.model_copy(update={"files": files}), package.card_sha256)
    assert "guard set" in adaptation_load(bare, rounds=1)["left out"]


class _Adapter:
    """Work that takes steps for ever, with a breath after each."""

    steps = 0

    class ticks:
        class newest:
            stamp_ns = 5 * 10**9

    def take(self, feedback: object) -> None:
        pass

    def work(self, breathe: object) -> str:
        for _ in range(5):
            self.steps += 1
            breathe()  # type: ignore[operator]
        return "learnt"


def _until(condition: object) -> None:
    for _ in range(2000):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.005)
    raise AssertionError("did not happen within ten seconds")


def test_learner_stands_still_while_others_are_timed() -> None:
    adapter = _Adapter()
    with ConstantLearner(adapter) as learner:  # type: ignore[arg-type]
        learner.go_on()
        _until(lambda: learner.revisions > 1)
        learner.pause()
        time.sleep(0.05)  # the step under way
        before = adapter.steps
        time.sleep(0.1)
        assert adapter.steps <= before + 1
        learner.go_on()
        _until(lambda: adapter.steps > before + 5)
        learner.pause()
    assert learner.busy_share > 0


def test_learner_needs_an_adapter() -> None:
    with pytest.raises(ValueError, match="no adapter"):
        ConstantLearner(None)
