"""The peers of the comparison, each as one decision update in the runtime that suits it best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.benchmark.timing import Contestant, Timings, rounded
from msstan_core.benchmark.workload import CAMERA_HZ

#: Threads that every peer is tried with, while MS-STAN is timed with the one that it is shipped with.
PEER_THREADS = (1, 2)
#: Between two runtimes this many calls decide; a single one where it takes longer than _SLOW_S.
_TRIALS = 3
_SLOW_S = 0.5


@dataclass(frozen=True, slots=True)
class TimedPeer:
    """A peer ready to be timed."""

    key: str  #: in the registry
    name: str
    variant: str
    kind: str  #: what an update computes, see peers.peer.Kind
    runtime: str
    contestant: Contestant

    def figures(self, timings: Timings) -> dict[str, Any]:
        """For the result file: milliseconds of an update, and what a live camera of 30 Hz gets of it.

        A clip peer computes its whole window for every update. Where one update takes longer than a camera period, it
        can only answer every k-th frame: the smallest such k is ``stride_at_30_hz``.
        """
        stride = max(1, math.ceil(timings.median * CAMERA_HZ / 1e3))
        return {
            "name": self.name,
            "variant": self.variant,
            "kind": self.kind,
            "runtime": self.runtime,
            "update_ms": timings.percentiles(),
            "stride_at_30_hz": stride,
            "updates_hz_live": rounded(CAMERA_HZ / stride),
        }


def timed_peers(keys: Sequence[str], folder: Path, said: Callable[[str], None]) -> list[TimedPeer]:
    """Build, export and try the peers at their published sizes.

    Args:
        keys: of the registry. folder: for their graphs. said: told each peer's name before its turn.
    """
    from msstan_core.peers.registry import PEERS, Kind

    out = []
    for key in keys:
        peer = PEERS[key]
        said(peer.name)
        if peer.kind is Kind.FRAME:
            runtime, call = "OpenCV and scikit-learn", _hog()
        else:
            runtime, call = _best_runtime(peer, folder / f"{key}.onnx")
        out.append(TimedPeer(key, peer.name, peer.full.name, str(peer.kind), runtime, Contestant(peer.name, call)))
    return out


def _best_runtime(peer: Any, path: Path) -> tuple[str, Callable[[], object]]:
    """The fastest of ONNX Runtime and torch with each number of threads, after trying all."""
    import torch

    from msstan_core.inference.providers import open_session
    from msstan_core.peers.export import export_update

    path.parent.mkdir(parents=True, exist_ok=True)
    feeds = export_update(peer, path)
    module, inputs = peer.update()

    def in_torch(threads: int) -> Callable[[], object]:
        def call() -> object:
            torch.set_num_threads(threads)
            with torch.inference_mode():
                return module(*inputs)

        return call

    def in_onnx(threads: int) -> Callable[[], object]:
        session = open_session(path, threads)
        return lambda: session.run(None, feeds)

    makers = {"ONNX Runtime": in_onnx, "torch": in_torch}
    best_s, best = math.inf, ("", in_torch(1))
    for name, make in makers.items():
        for threads in PEER_THREADS:
            call = make(threads)
            if (seconds := _shortest(call)) < best_s:
                best_s, best = seconds, (f"{name}, {threads} thread{'s' * (threads > 1)}", call)
    return best


def _shortest(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls after the first."""
    call()
    seconds: list[float] = []
    while len(seconds) < _TRIALS and (not seconds or seconds[-1] < _SLOW_S):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _hog() -> Callable[[], object]:
    from msstan_core.peers.hog_svm import DESCRIPTOR, HogSvm, hog
    from msstan_core.vocabulary import ACTIONS

    rng = np.random.default_rng(0)
    machine, classes = HogSvm(0), len(ACTIONS)
    labels = np.arange(4 * classes, dtype=np.int64) % classes
    machine.fit(rng.uniform(0, 1, (len(labels), DESCRIPTOR)).astype(np.float32), labels)
    frame = rng.integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    return lambda: machine.scores(hog(frame), classes)
