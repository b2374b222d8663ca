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

#: Threads of every peer: all of a small machine, while MS-STAN is timed with the one it is shipped with.
PEER_THREADS = 2
#: Between two runtimes this many calls decide.
_TRIALS = 2


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
    """The faster of ONNX Runtime and torch, after trying both."""
    import torch

    from msstan_core.inference.providers import open_session
    from msstan_core.peers.export import export_update

    torch.set_num_threads(PEER_THREADS)
    path.parent.mkdir(parents=True, exist_ok=True)
    feeds = export_update(peer, path)
    session = open_session(path, PEER_THREADS)
    module, inputs = peer.update()

    def in_torch() -> object:
        torch.set_num_threads(PEER_THREADS)
        with torch.inference_mode():
            return module(*inputs)

    def in_onnx() -> object:
        return session.run(None, feeds)

    candidates: dict[str, Callable[[], object]] = {"ONNX Runtime": in_onnx, "torch": in_torch}
    best = min(candidates, key=lambda name: _shortest(candidates[name]))
    return best, candidates[best]


def _shortest(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls after the first."""
    call()
    seconds = []
    for _ in range(_TRIALS):
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
