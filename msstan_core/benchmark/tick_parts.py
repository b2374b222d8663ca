"""What one tick costs, whole and in parts: samples to decision, the network, its floor, and what lies before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from msstan_core.alignment import TickAligner
from msstan_core.benchmark.timing import Contestant
from msstan_core.benchmark.variants import runner, write_backbone
from msstan_core.benchmark.workload import WIDTH, camera_pictures, samples, ticks
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.engine import Engine, load_engine
from msstan_core.inference.model_package import ModelPackage
from msstan_core.observation import CameraFrame, Tick
from msstan_core.preprocessing.images import FrameReader, thermal_image
from msstan_core.preprocessing.log_mel import log_mel
from msstan_core.preprocessing.preprocessor import NetworkInput, Preprocessor
from msstan_core.preprocessing.telemetry_features import telemetry_features
from msstan_core.preprocessing.thermal_statistics import ThermalStatistics
from msstan_core.vocabulary import MODALITIES, Modality

#: Names of the figures that others refer to.
MONITOR, NETWORK, BACKBONE = "monitor, samples to decision", "network, 1 thread", "camera backbone alone, 1 thread"
BLIND = "network without a camera image, 1 thread"
NETWORK_2, BACKBONE_2, TORCH = "network, 2 threads", "camera backbone alone, 2 threads", "network in torch, 1 thread"
PREPROCESSING = "preprocessing"
#: Ticks of a stream before it begins again; a minute and more.
STREAM_TICKS = 2000


def stream_of(monitor: Monitor, stream: list[Tick]) -> Callable[[], object]:
    """Steps the monitor through the stream, again and again; time never runs back."""
    length_ns = stream[-1].stamp_ns - stream[0].stamp_ns + 33_000_000
    position = 0

    def step() -> object:
        nonlocal position
        lap, index = divmod(position, len(stream))
        tick = stream[index]
        position += 1
        return monitor.step(replace(tick, stamp_ns=tick.stamp_ns + lap * length_ns) if lap else tick)

    return step


def engine_stream(engine: Engine, inputs: list[NetworkInput]) -> Callable[[], object]:
    """Steps an engine through network inputs, again and again."""
    following = cycle(inputs)
    return lambda: engine.step(next(following))


def tick_contestants(package: ModelPackage, folder: Path) -> list[Contestant]:
    """Whole tick, network in every runtime, and the backbone alone.

    Args:
        package: the model. folder: for the backbone's graph.
    """
    stream = ticks(STREAM_TICKS)
    preprocess = Preprocessor(package.card.config.inputs)
    inputs = [preprocess(tick)[0] for tick in stream[:60]]
    unseeing = Preprocessor(package.card.config.inputs, frozenset(MODALITIES) - {Modality.CAMERA})
    blind = [unseeing(tick)[0] for tick in stream[:60]]
    backbone = write_backbone(package.card.config, folder)
    monitor = Monitor.load(package.directory)
    return [
        Contestant(MONITOR, stream_of(monitor, stream)),
        Contestant(NETWORK, engine_stream(load_engine(package), inputs)),
        Contestant(BLIND, engine_stream(load_engine(package), blind)),
        Contestant(NETWORK_2, engine_stream(load_engine(package, threads=2), inputs)),
        Contestant(TORCH, _in_torch(engine_stream(load_engine(package, "torch"), inputs))),
        Contestant(BACKBONE, runner(backbone, 1)),
        Contestant(BACKBONE_2, runner(backbone, 2)),
    ]


def _in_torch(step: Callable[[], object]) -> Callable[[], object]:
    """With one thread, whatever another contestant has set."""
    import torch

    def call() -> object:
        torch.set_num_threads(1)
        return step()

    return call


def preprocessing_contestants(package: ModelPackage) -> list[Contestant]:
    """The preprocessing of a tick, whole and by sensor."""
    spec = package.card.config.inputs
    stream = cycle(ticks(600))
    whole = Preprocessor(spec)
    pictures = camera_pictures()
    raw = cycle([CameraFrame(0, image=picture) for picture in pictures])
    jpeg = cycle([CameraFrame(0, encoded=_jpeg(picture)) for picture in pictures])
    large = cycle([CameraFrame(0, image=cv2.resize(p, (1280, 720))) for p in pictures])  # type: ignore[arg-type]
    readers = [FrameReader(spec.camera_px) for _ in range(3)]
    for _ in range(2):
        readers[1].read(next(jpeg))  # from the second frame on it knows how far it may decode reduced
    hot, heat = cycle(enumerate(ticks(600, camera_hz=25.0))), ThermalStatistics()
    low, high = next(stream).audio, ticks(1, sample_rate_hz=48_000)[0].audio
    telemetry, context = next(stream).telemetry, next(stream).context
    assert low is not None and high is not None and telemetry is not None

    def thermal() -> object:
        index, tick = next(hot)
        assert tick.thermal is not None
        return heat.update(index * 40_000_000, thermal_image(tick.thermal.celsius, spec.thermal_px))

    return [
        Contestant(PREPROCESSING, lambda: whole(next(stream))),
        Contestant(f"camera, {WIDTH}x480 raw", lambda: readers[0].read(next(raw))),
        Contestant(f"camera, {WIDTH}x480 JPEG", lambda: readers[1].read(next(jpeg))),
        Contestant("camera, 1280x720 raw", lambda: readers[2].read(next(large))),
        Contestant("thermal camera, 640x480", thermal),
        Contestant("log-mel, 16 kHz", lambda: log_mel(low.samples, low.sample_rate_hz, spec.log_mel)),
        Contestant("log-mel, 48 kHz", lambda: log_mel(high.samples, high.sample_rate_hz, spec.log_mel)),
        Contestant("telemetry", lambda: telemetry_features(telemetry, context.process)),
        Contestant("alignment, samples to tick", _alignment()),
    ]


def _alignment() -> Callable[[], object]:
    """Pushes samples until a tick is due."""
    aligner = TickAligner()
    source: Iterator[Any] = iter(())
    start_s = 1.0

    def until_tick() -> Tick:
        nonlocal source, start_s
        while True:
            for sample in source:
                aligner.push(sample)
                if (tick := aligner.poll()) is not None:
                    return tick
            source = iter(list(samples(20.0, start_ns=round(start_s * 1e9))))
            start_s += 20.0

    until_tick()
    return until_tick


def _jpeg(picture: np.ndarray[Any, Any]) -> bytes:
    _, encoded = cv2.imencode(".jpg", picture)
    return encoded.tobytes()
