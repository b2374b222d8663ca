"""The importer of thermal recordings."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from recorded_runs import spans, thermal_arrays

from msstan_core.errors import InputError
from msstan_core.observation import TelemetrySample, ThermalFrame
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.thermal import import_thermal, label_arc_frames


def test_thermal_recording_keeps_its_temperatures(tmp_path: Path) -> None:
    arrays = thermal_arrays()
    np.savez(tmp_path / "W1.npz", **arrays)
    report = import_thermal(tmp_path / "W1.npz", tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        samples = list(bag.samples())
        assert bag.attributes["group"] == "W1"
    images = [s for s in samples if isinstance(s, ThermalFrame)]
    np.testing.assert_array_equal(np.stack([s.celsius for s in images]), arrays["thermal_celsius"].astype(np.float32))
    assert {b.stamp_ns - a.stamp_ns for a, b in itertools.pairwise(images)} == {40_000_000}
    rows = np.array([s.as_row() for s in samples if isinstance(s, TelemetrySample)])
    np.testing.assert_array_equal(rows[:, :2], arrays["process"][:, :2])
    assert np.isnan(rows[:, 2:]).all()  # the wire feed's unit is only presumed
    assert spans(report.annotations) == {
        "ARC_INITIATION": (0.0, 0.5),
        "MATERIAL_DEPOSITION": (2.0, 2.5),
        "ARC_EXTINCTION": (2.5, 3.0),
        "COOLING": (3.0, 4.0),
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"thermal_celsius": None}, "array thermal_celsius is missing"),
        ({"fps": np.float32(0)}, "fps is 0"),
        ({"fps": np.float32("nan")}, "fps is nan"),
        ({"arc_on": np.ones(3, bool)}, r"arc_on has shape \(3,\)"),
        ({"process": np.ones((100, 1))}, r"process has shape \(100, 1\)"),
        ({"thermal_celsius": np.ones((100, 4))}, r"thermal_celsius has shape \(100, 4\)"),
        ({"process": np.array([object()] * 100)}, "not a readable"),
    ],
)
def test_malformed_thermal_files_name_the_array(tmp_path: Path, change: dict[str, object], says: str) -> None:
    arrays = {k: v for k, v in {**thermal_arrays(), **change}.items() if v is not None}
    np.savez(tmp_path / "W1.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=says):
        import_thermal(tmp_path / "W1.npz", tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_damaged_thermal_file_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "W1.npz", **thermal_arrays())
    content = bytearray((tmp_path / "W1.npz").read_bytes())
    for place in range(300, 2000, 7):
        content[place] ^= 0xFF
    (tmp_path / "W1.npz").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"W1\.npz: not a readable"):
        import_thermal(tmp_path / "W1.npz", tmp_path / "bag")


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_cut_thermal_file_is_refused(tmp_path: Path, kept: int) -> None:
    np.savez_compressed(tmp_path / "W1.npz", **thermal_arrays())
    (tmp_path / "W1.npz").write_bytes((tmp_path / "W1.npz").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"W1\.npz: not a readable"):
        import_thermal(tmp_path / "W1.npz", tmp_path / "bag")


def test_an_arc_that_still_burns_has_no_end_and_a_pause_no_label() -> None:
    burning = np.ones(200, bool)
    assert "ARC_EXTINCTION" not in spans(label_arc_frames(burning, 25.0))
    burning[100:160] = False
    found = spans(label_arc_frames(burning, 25.0))
    assert found["ARC_EXTINCTION"] == pytest.approx((3.5, 4.0)) and "COOLING" not in found
    assert max(end for _, end in found.values()) == pytest.approx(4.0), "what follows a pause is another arc"
