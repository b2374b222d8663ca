"""What a decision update costs: MS-STAN and every peer at full size, in the same runtime on one thread."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.inference.export import export_step, random_tick
from msstan_core.inference.model_package import STEP_FILE
from msstan_core.inference.step_graph import StepGraph
from msstan_core.model.ms_stan import MsStan
from msstan_core.peers.export import export_update
from msstan_core.peers.hog_svm import DESCRIPTOR, HogSvm, hog
from msstan_core.peers.peer import Kind
from msstan_core.peers.registry import PEERS
from msstan_core.studies.peer_entrants import MS_STAN
from msstan_core.training.configuration import TrainingConfig
from msstan_core.vocabulary import ACTIONS

#: Counted calls; the median is taken. Peers that take a second are as steady after three.
_CALLS, _CALLS_WHEN_SLOW, _SLOW_S = 30, 3, 0.2


def update_ms(entrant: str, config: TrainingConfig) -> float:
    """Median processor milliseconds of one decision update at full size, ONNX Runtime fp32, one thread.

    Processor time: it is the wall clock of an idle machine, and is not lengthened by what else runs. The stored result
    of ``msstan bench`` is the measurement to quote; this is its cheap stand-in beside the scores.
    """
    if entrant in PEERS and PEERS[entrant].kind is Kind.FRAME:
        return _svm_ms()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / STEP_FILE
        feeds = _export(entrant, config, path)
        return _median_ms(path, feeds)


def _export(entrant: str, config: TrainingConfig, path: Path) -> dict[str, NDArray[Any]]:
    if entrant not in MS_STAN:
        return export_update(PEERS[entrant], path)
    model = MsStan(config.model_config_of_size()).eval()
    export_step(model, path.parent)
    graph = StepGraph(model)
    inputs = (*random_tick(model, np.random.default_rng(0)), *graph.initial_state().values())
    return {name: value.numpy() for name, value in zip(graph.input_names, inputs, strict=True)}


def _median_ms(path: Path, feeds: dict[str, NDArray[Any]]) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    read = {i.name for i in session.get_inputs()}
    feeds = {name: array for name, array in feeds.items() if name in read}
    session.run(None, feeds)
    times: list[float] = []
    while len(times) < (_CALLS_WHEN_SLOW if times and times[0] > _SLOW_S else _CALLS):
        begun = time.process_time()
        session.run(None, feeds)
        times.append(time.process_time() - begun)
    return round(1e3 * float(np.median(times)), 3)


def _svm_ms() -> float:
    rng = np.random.default_rng(0)
    svm = HogSvm(0)
    labels = np.arange(4 * len(ACTIONS)) % len(ACTIONS)
    svm.fit(rng.normal(size=(len(labels), DESCRIPTOR)).astype(np.float32), labels)
    frame = rng.integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    times = []
    for _ in range(_CALLS):
        begun = time.process_time()
        svm.scores(hog(frame), len(ACTIONS))
        times.append(time.process_time() - begun)
    return round(1e3 * float(np.median(times)), 3)
