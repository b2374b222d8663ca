"""Timing in turns, the made-up load, what is measured, and the hold of streaming against unrolled."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_model import gated_package, write_model

from msstan_core.alignment import TickAligner
from msstan_core.benchmark import timing
from msstan_core.benchmark.hooks import measurement
from msstan_core.benchmark.long_stream import paced_stream, streaming_error
from msstan_core.benchmark.peer_updates import TimedPeer
from msstan_core.benchmark.process import cpu_seconds, peak_resident_mb, resident_mb
from msstan_core.benchmark.run import Settings
from msstan_core.benchmark.scaling import table
from msstan_core.benchmark.timing import Contestant, Timings, in_turns, percentiles, ratio
from msstan_core.benchmark.variants import with_longest_window, with_resolution
from msstan_core.benchmark.workload import samples, ticks
from msstan_core.cli import main
from msstan_core.commands.bench import DEFAULT_PEERS, chosen_peers, register, settings_of
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.inference.frame_sampling import FIXED, FrameSampling
from msstan_core.inference.model_package import ModelPackage
from msstan_core.model.configuration import nano
from msstan_core.peers.registry import PEERS
from msstan_core.preprocessing.preprocessor import Preprocessor


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return gated_package(tmp_path_factory)


def timings(*rounds: list[float]) -> Timings:
    return Timings(tuple(np.array(r) for r in rounds))


def test_every_contestant_has_its_turn_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SLICE_S", 1e-9)
    monkeypatch.setattr(timing, "WARM_UP_CALLS", 0)
    order: list[str] = []
    contestants = [Contestant(name, lambda name=name: order.append(name)) for name in "abc"]  # type: ignore[misc]
    found = in_turns(contestants, 3)
    assert "".join(order[-9:]) == "abcabcabc"
    assert all(len(t.rounds) == 3 for t in found.values())


def test_a_slow_contestant_runs_in_every_third_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SLICE_S", 1e-9)
    monkeypatch.setattr(timing, "SLOW_S", 0.0)
    calls: list[int] = []
    found = in_turns([Contestant("slow", lambda: calls.append(0))], 7)
    assert len(found["slow"].rounds) == 3


def test_a_ratio_compares_within_rounds() -> None:
    """A machine that slows down by ten in one round changes neither side's advantage."""
    fast, slow = timings([1, 1], [10, 10], [1, 1]), timings([3, 3], [30, 30], [3, 3])
    assert ratio(slow, fast) == {"p50": 3.0, "mean": 3.0, "std": 0.0}


def test_a_ratio_pairs_a_slow_contestant_with_the_rounds_it_ran_in() -> None:
    fast = timings([1], [5], [5], [2], [5], [5], [4])
    assert ratio(timings([10], [20], [40]), fast)["mean"] == 10.0


def test_percentiles_of_nothing_are_unknown() -> None:
    assert np.isnan(percentiles(np.zeros(0))["p99"])
    assert percentiles(np.arange(101.0)) == {"p50": 50.0, "p99": 99.0}


def test_a_clip_peer_that_cannot_hold_the_camera_skips_frames() -> None:
    peer = TimedPeer("x", "X", "X full", "clip", "torch", Contestant("X", lambda: None))
    assert peer.figures(timings([70.0]))["stride_at_30_hz"] == 3
    assert peer.figures(timings([70.0]))["updates_hz_live"] == 10.0
    assert peer.figures(timings([33.0]))["stride_at_30_hz"] == 1


def test_the_load_is_a_usual_cell() -> None:
    aligner, made = TickAligner(), []
    for sample in samples(2.0, sample_rate_hz=48_000):
        aligner.push(sample)
        made += list(aligner.drain())
    assert len(made) == 60
    assert made[-1].valid.all()
    assert sum(s.dropped for s in aligner.statistics.modality.values()) == 0


def test_made_up_ticks_hold_all_four_modalities_and_share_thermal_frames() -> None:
    stream = ticks(30)
    assert all(tick.valid.all() for tick in stream)
    assert len({id(tick.thermal) for tick in stream}) == 25
    network_input, degraded = Preprocessor(nano().inputs)(stream[5])
    assert network_input.valid.all() and degraded == ()


def test_variants_change_one_thing() -> None:
    assert with_resolution(nano(), 160).inputs.camera_px == 160
    assert with_longest_window(nano(), 256).windows == (4, 16, 64, 256)
    assert with_longest_window(nano(), 16).windows == (4, 16)
    assert with_longest_window(nano(), 64) == nano()


def test_cost_of_one_of_many_is_told() -> None:
    rows = [(4, Contestant("four", lambda: None))]
    assert table(rows, {"four": timings([8.0])}, per_unit=True)["4"]["p50_each"] == 2.0  # type: ignore[index]


def test_streaming_error_is_rounding_over_a_long_stream(package: ModelPackage) -> None:
    found = streaming_error(package, 1100)
    assert found["ticks"] == 1100
    assert 0 < found["largest_difference"] < 1e-5
    assert 0 < found["probability_difference"] <= found["largest_difference"]


def test_streaming_error_sees_a_difference(package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    from msstan_core.inference.split_engine import SplitEngine

    step = SplitEngine.step

    def forgetful(self: SplitEngine, tick: Any) -> Any:
        self.reset()
        return step(self, tick)

    monkeypatch.setattr(SplitEngine, "step", forgetful)
    assert streaming_error(package, 40)["largest_difference"] > 1e-3


def test_a_paced_stream_counts_frames_and_skips(package: ModelPackage) -> None:
    monitor = Monitor.load(package.directory, sampling=FrameSampling(0.99, FIXED))
    found = paced_stream(monitor, 100.0, 0.3)
    assert found["frames"] == 30
    assert found["skipped_share"] == pytest.approx(0.8, abs=0.07)  # longest_hold is 4


def test_monitors_of_several_torches_do_not_mix(package: ModelPackage) -> None:
    one = Monitor.load(package.directory)
    stream, other = ticks(6), ticks(6, camera_hz=20.0)
    alone = [one.step(tick).raw_action_probabilities for tick in stream]
    one.reset()
    fork = one.fork()
    for tick, expected, foreign in zip(stream, alone, other, strict=True):
        fork.step(foreign)
        np.testing.assert_allclose(one.step(tick).raw_action_probabilities, expected, atol=1e-6)


def test_figures_of_this_process() -> None:
    assert 10 < resident_mb() <= peak_resident_mb() * 1.01
    assert cpu_seconds(os.getpid()) > 0


def test_peers_are_chosen_by_name() -> None:
    assert chosen_peers("all") == DEFAULT_PEERS and set(DEFAULT_PEERS) <= set(PEERS)
    assert chosen_peers("none") == ()
    assert chosen_peers("x3d_xs, gru") == ("x3d_xs", "gru")
    with pytest.raises(InputError, match="knows no alexnet"):
        chosen_peers("x3d_xs,alexnet")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--live", "nan"), ("--live", "-1"), ("--live", "inf"), ("--soak-minutes", "nan"), ("--soak-minutes", "0")],
)
def test_a_time_that_is_none_is_refused_before_anything_is_measured(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"
    assert main(["bench", "--json", str(out), option, value]) == 1
    error = capsys.readouterr().err
    assert f"{option}: is {value}; give a finite number" in error and error.count("\n") == 1
    assert not out.exists()


def test_a_measurement_that_nobody_offers_is_none() -> None:
    assert measurement("on the moon") is None


def test_options_change_the_usual_or_the_quick_run(package: ModelPackage, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    plain = write_model(tmp_path / "plain")

    def of(*options: str, model: ModelPackage = plain) -> Settings:
        found: Settings = settings_of(parser.parse_args(["bench", "--json", "x.json", *options]), model)
        return found

    assert of() == Settings(peers=DEFAULT_PEERS)
    assert of().stream_ticks == 100_000
    assert of("--rounds", "3", "--live", "0", "--no-scaling") == Settings(3, DEFAULT_PEERS, 100_000, 0.0, False)
    quick = of("--quick")
    assert quick.stream_ticks < 5_000 and not quick.scaling and set(quick.peers) < set(DEFAULT_PEERS)
    assert of("--quick", "--peers", "none").peers == ()
    assert (gated := of("--gated", str(package.directory)).gated) is not None
    assert gated.card.config.sampling.enabled
    with pytest.raises(InputError, match="has no importance gate"):
        of("--gated", str(plain.directory))
    assert of(model=package).gated is package, "the model's own gate, if it has one"
