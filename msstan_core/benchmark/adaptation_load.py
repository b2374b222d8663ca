"""What online adaptation costs the answering thread: ticks without it, with it idle, and while it learns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.feedback import Feedback
from msstan_core.adaptation.learning_thread import BREATH_S
from msstan_core.adaptation.opening import open_adapter
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.benchmark.tick_parts import stream_of
from msstan_core.benchmark.timing import Milliseconds, Timings, percentiles, ratio, rounded
from msstan_core.benchmark.workload import ticks
from msstan_core.decision.novelty import load_novelty
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.inference.engine import load_engine
from msstan_core.inference.model_package import GUARD_FILE, NOMINAL_FILE, ModelPackage
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.vocabulary import ISO_CODES, Action

OFF, IDLE, LEARNING = "off", "on, nothing to learn", "learning without pause"
#: Ticks of each monitor in one round, and before them uncounted ones.
TICKS_A_TURN, WARM_UP_TICKS = 40, 5
#: Ticks of a stream before it begins again.
STREAM_TICKS = 600
#: Length of the newest stretch that is labelled again and again, s.
LABELLED_S = 1.0


def adaptation_load(
    package: ModelPackage,
    rounds: int,
    ticks_a_turn: int = TICKS_A_TURN,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Time the three in turns, so that a slow moment of the machine hits all alike.

    Args:
        package: the model. rounds: turns of each. ticks_a_turn: counted ticks in a turn. progress: told the share done.

    Returns:
        ``ms``: by case percentiles of a tick; ``ratio`` and ``p99_ratio``: by case against OFF, the first from medians
        round by round, the second of all calls; ``learning_share`` of the time of LEARNING in which the thread was at
        work, and ``revisions`` it took into use. ``left out`` with the reason where the model must not adapt.
    """
    if GUARD_FILE not in package.card.files:
        return {"left out": "the model has no guard set, so that it must not adapt"}
    stream, first = ticks(STREAM_TICKS), _unalarmed(package)
    monitors = {OFF: first, IDLE: first.fork(), LEARNING: first.fork()}
    for name in (IDLE, LEARNING):
        asked, weights = AdaptationSettings(enabled=True), first.info.weights_sha256
        monitors[name].adapter = open_adapter(package.directory, package.card, weights, asked)
    learner = ConstantLearner(monitors[LEARNING].adapter)
    steps = {name: stream_of(monitor, stream) for name, monitor in monitors.items()}
    found: dict[str, list[Milliseconds]] = {name: [] for name in steps}
    with learner:
        for turn in range(rounds):
            for name, step in steps.items():
                for _ in range(WARM_UP_TICKS):
                    step()
                if name == LEARNING:
                    learner.go_on()
                found[name].append(_timed(step, ticks_a_turn))
                learner.pause()
            progress((turn + 1) / rounds)
    timings = {name: Timings(tuple(turns)) for name, turns in found.items()}
    off = timings[OFF]
    return {
        "ms": {name: t.percentiles() for name, t in timings.items()},
        "ratio": {name: ratio(timings[name], off) for name in (IDLE, LEARNING)},
        "p99_ratio": {
            name: rounded(percentiles(timings[name].all)["p99"] / percentiles(off.all)["p99"])
            for name in (IDLE, LEARNING)
        },
        "learning_share": rounded(learner.busy_share),
        "revisions": learner.revisions,
    }


def _unalarmed(package: ModelPackage) -> Monitor:
    """With thresholds that nothing reaches: a made-up stream is novel, and nothing is learnt from what is."""
    info = Monitor.load(package.directory).info
    never: dict[str, Any] = {"novelty_threshold": np.inf, "imperfection_thresholds": dict.fromkeys(ISO_CODES, 2.0)}
    card = info.card.model_copy(update={**never, "subsets": {}})
    nominal = load_novelty(package.path(NOMINAL_FILE)) if NOMINAL_FILE in card.files else None
    return Monitor(load_engine(package), replace(info, card=card), nominal)


def _timed(step: Callable[[], object], calls: int) -> Milliseconds:
    out = np.empty(calls)
    for index in range(calls):
        started = time.perf_counter()
        step()
        out[index] = (time.perf_counter() - started) * 1e3
    return out


class ConstantLearner:
    """Labels the newest second and learns from it, over and over, while it may; as polite as the monitor's own thread.

    Two actions are claimed in turn, so that every head is another one. This is the worst case: a person labels seldom.

    Args:
        adapter: of the monitor that answers meanwhile; None: raises ValueError.
    """

    def __init__(self, adapter: Adapter | None) -> None:
        if adapter is None:
            raise ValueError("no adapter to learn with")
        self._adapter = adapter
        self._may, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="constant learner", daemon=True)
        self._allowed_s = self._busy_s = self._since_s = 0.0
        self.revisions = 0  #: heads taken into use

    def __enter__(self) -> ConstantLearner:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._may.set()
        self._thread.join(5.0)

    def go_on(self) -> None:
        """Learn."""
        self._since_s = time.perf_counter()
        self._may.set()

    def pause(self) -> None:
        """Stop at the next step of learning."""
        if self._may.is_set():
            self._allowed_s += time.perf_counter() - self._since_s
        self._may.clear()

    @property
    def busy_share(self) -> float:
        """Share of the time between ``go_on`` and ``pause`` in which it learnt; a breath between two steps counts."""
        return min(self._busy_s / self._allowed_s, 1.0) if self._allowed_s > 0 else 0.0

    def _run(self) -> None:
        turn = 0
        while not self._stop.is_set():
            self._may.wait()
            newest = self._adapter.ticks.newest
            if self._stop.is_set() or newest is None:
                time.sleep(BREATH_S)
                continue
            action = (Action.MATERIAL_DEPOSITION, Action.COOLING)[turn % 2]
            begin_ns = newest.stamp_ns - round(LABELLED_S * NANOSECONDS_PER_SECOND)
            turn += 1
            try:
                self._adapter.take(Feedback(max(begin_ns, 0), newest.stamp_ns, "bench", action))
            except InputError:  # nothing in this second may be learnt from
                time.sleep(BREATH_S)
                continue
            started, parked = time.perf_counter(), 0.0

            def breathe() -> None:
                nonlocal parked
                time.sleep(BREATH_S)
                if not self._may.is_set():
                    waited = time.perf_counter()
                    self._may.wait()
                    parked += time.perf_counter() - waited

            self.revisions += bool(self._adapter.work(breathe))
            self._busy_s += time.perf_counter() - started - parked
