"""The page of performance tells the figures of the result files, and what they reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from msstan_core.benchmark.aims import SpeedAim, verdict
from msstan_core.benchmark.figure_text import value_text
from msstan_core.benchmark.page import page_text, write_page
from msstan_core.benchmark.result_files import read_result
from msstan_core.benchmark.speed_and_f1 import compared
from msstan_core.cli import main
from msstan_core.errors import InputError

FOUND: dict[str, Any] = {
    "command": "msstan bench",
    "revision": "abc",
    "machine": "a machine, 2 cores",
    "metrics": {
        "tick_ms": {"p50": 2.0, "p99": 3.0},
        "monitor_tick_ms": {"p50": 3.0, "p99": 4.0},
        "base_tick_ms": {"p50": 8.0, "p99": 9.0},
        "ratio_x3d_xs": {"p50": 30.0, "mean": 31.0, "std": 2.0},
    },
    "baselines": {
        "camera backbone alone": {"tick_ms": {"p50": 1.5, "p99": 2.0}},
        "X3D-XS": {
            "variant": "X3D-XS 4x12",
            "runtime": "ONNX Runtime",
            "update_ms": {"p50": 60.0, "p99": 70.0},
            "stride_at_30_hz": 2,
            "updates_hz_live": 15.0,
            "ratio": {"p50": 30.0, "mean": 31.0, "std": 2.0},
        },
    },
    "details": {
        "threads": {"MS-STAN": 1, "peers": [1, 2]},
        "parts_ms": {"preprocessing": {"p50": 1.0, "p99": 2.0}},
        "torches": {"2": {"p50": 6.0, "p99": 8.0, "p50_each": 3.0}},
        "adaptation": {
            "ms": {"off": {"p50": 3.0, "p99": 4.0}, "learning": {"p50": 3.3, "p99": 6.0}},
            "ratio": {"learning": {"p50": 1.1, "mean": 1.1, "std": 0.05}},
            "p99_ratio": {"learning": 1.5},
            "learning_share": 0.97,
            "revisions": 12,
        },
    },
}


def test_the_page_tells_the_figures_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "bench.json"
    file.write_text(json.dumps(FOUND), encoding="utf-8")
    write_page(file, tmp_path / "performance.md")
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "a machine, 2 cores" in text
    assert "| X3D-XS 4x12 | ONNX Runtime | 60 (p99 70) | 2 | 15 | 30 |" in text
    assert "| 2 | 6 (p99 8) | 3 |" in text
    assert "| off | 3 (p99 4) | 1 | 1 |" in text and "| learning | 3.3 (p99 6) | 1.1 (mean 1.1 ± 0.05) | 1.5 |" in text
    assert "97% of that time and took 12 heads" in text
    assert "## Live" not in text
    assert (tmp_path / "images" / "performance.png").stat().st_size > 5_000


def test_the_page_tells_of_soak_and_sampling_where_they_were_measured(tmp_path: Path) -> None:
    spread = {"mean": 0.4, "std": 0.1}
    row = {"skipped": spread, "time_saved": spread, "f1_loss": {"mean": 0.001, "std": 0.002}, "changed": spread}
    sampling = {
        "data": "one weld",
        "metrics": {"time_saved": spread, "f1_loss": row["f1_loss"]},
        "details": {
            "own_share": 0.2,
            "recommended": {"share": None, "chosen on": "simulated"},
            "share_curves": {"simulated": {"0.2": row}},
            "curves": {"simulated": {"0.3": row}},
        },
    }
    course = [{"actions": 1800, "rate_hz": 30.0, "end_to_end_ms": {"p50": 9.0, "p99": 14.0}, "rss_mb": 300.0}] * 3
    soak = {
        "details": {"course": course},
        "metrics": {
            "minutes": 30,
            "actions": {"mean": 54000},  # as it is written; the others as earlier files have it
            "lost": {"mean": 0},
            "end_to_end_ms": {"p50": 9.0, "p99": 14.0},
            "growth_mb_per_hour": 0.5,
            "latency_drift_ms": -0.1,
        },
    }
    for name, content in {"bench": FOUND, "sampling": sampling, "soak": soak}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    page = tmp_path / "performance.md"
    assert main(["bench", "--json", str(tmp_path / "bench.json"), "--page", str(page), "--page-only"]) == 0
    text = page.read_text(encoding="utf-8")
    assert all((tmp_path / "images" / f"{name}.png").exists() for name in ("performance", "sampling", "soak"))
    assert "chosen on simulated welds: a share of none" in text
    assert "| simulated | share 0.2 | 0.40 |" in text and "| simulated | above 0.3 | 0.40 |" in text
    assert "54000 results, 0 lost" in text
    assert "| simulated | share 0.2 | 0.40 | 0.4 ± 0.1 | 0.001 ± 0.002 | 0.4 |" in text


def test_the_page_tells_fast_and_long_streams_and_warns_of_a_quick_run() -> None:
    details = {
        **FOUND["details"],
        "quick": True,
        "frames_at_100_hz": [
            {
                "sampling": sampling,
                "rate_hz": 100.0,
                "frames": 1000,
                "late": 3,
                "skipped_share": 0.4,
                "step_ms": {"p50": 2.0, "p99": 5.0},
            }
            for sampling in (False, True)
        ],
        "streaming_against_unrolled": {
            "ticks": 100_000,
            "largest_difference": 1.6e-5,
            "largest_logit": 21.0,
            "probability_difference": 4e-6,
            "drift": 1e-7,
        },
        "process": {
            "first_action_s": {"p50": 0.9, "p99": 1.0},
            "rss_mb": 240.0,
            "peak_rss_mb": 260.0,
            "of which without a model": 110.0,
        },
    }
    text = page_text({**FOUND, "details": details}, {}, "bench.json")
    assert "not to be quoted" in text
    assert "- no skipping: 3 of 1000 answered later" in text and "holds 40% of the frames: 3 of 1000" in text
    assert "Over 100000 ticks" in text and "at most 1.6e-05 where logits reach 21" in text
    assert "240 MB (peak 260), of which 110" in text
    assert "not to be quoted" not in page_text(FOUND, {}, "bench.json")


@pytest.mark.parametrize(
    ("aim", "value", "reached"),
    [
        (SpeedAim("x", "", most=5, most_p99=10), {"p50": 5.0, "p99": 10.0}, "yes"),
        (SpeedAim("x", "", most=5, most_p99=10), {"p50": 4.0, "p99": 10.1}, "no"),
        (SpeedAim("x", "", most=5, most_p99=10), {"p50": 5.1, "p99": 6.0}, "no"),
        (SpeedAim("x", "", least=12), {"p50": 11.9, "mean": 13.0}, "no"),
        (SpeedAim("x", "", least=12), {"p50": 12.0}, "yes"),
        (SpeedAim("x", "", most=0), 0, "yes"),
        (SpeedAim("x", "", most=0), 1, "no"),
        (SpeedAim("x", "", most=5), float("nan"), "no"),
        (SpeedAim("x", "", most_p99=5), {"p50": 1.0}, "no"),
        (SpeedAim("x", ""), 7.0, ""),
    ],
)
def test_an_aim_is_reached_only_by_numbers_within_all_its_limits(aim: SpeedAim, value: object, reached: str) -> None:
    assert verdict(aim, value) == reached


@pytest.mark.parametrize(
    ("aim", "text"),
    [
        (SpeedAim("x", "", most=5, most_p99=10), "median <= 5, p99 <= 10"),
        (SpeedAim("x", "", least=200), "median >= 200"),
        (SpeedAim("x", "", most=0, plain=True), "<= 0"),
        (SpeedAim("x", ""), ""),
    ],
)
def test_an_aim_says_what_it_is_judged_by(aim: SpeedAim, text: str) -> None:
    assert str(aim) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"p50": 2.1, "p99": 3.4}, "2.1 (p99 3.4)"),
        ({"p50": 3.0}, "3"),
        (4019.0, "4019"),
        ({"p50": 0.4, "std": 0.1}, "0.4 ± 0.1"),
        (0, "0"),
        (None, ""),
    ],
)
def test_figures_as_people_read_them(value: object, text: str) -> None:
    assert value_text(value) == text


def test_a_missing_result_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such result file"):
        read_result(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "is no result of msstan bench (it has no command)"),
        ("[1]", "is no result of msstan bench (it has no command)"),
        (json.dumps({**FOUND, "command": "msstan study peers", "details": {}}), "was written by msstan study peers)"),
        (json.dumps({**FOUND, "details": {"course": []}}), "it has no details/threads/peers"),
        (json.dumps({**FOUND, "metrics": {}}), "it has no metrics/tick_ms/p50"),
        ("{", "is no JSON"),
        ("\udcff", "is no JSON"),
    ],
)
def test_a_file_that_the_page_cannot_be_made_of_is_said_in_one_line(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "some.json", tmp_path / "p.md"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert main(["bench", "--json", str(file), "--page", str(page), "--page-only"]) == 1
    error = capsys.readouterr().err
    assert f"{file}: " in error and said in error and error.count("\n") == 1
    assert not page.exists()


@pytest.mark.parametrize("name", ["peers", "sampling", "soak"])
def test_a_file_beside_it_that_is_another_commands_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(FOUND), encoding="utf-8")
    (tmp_path / f"{name}.json").write_text(json.dumps({"command": "msstan replay"}), encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name}\.json: is no result of msstan"):
        write_page(tmp_path / "bench.json", tmp_path / "performance.md")


def test_event_f1_of_the_peers_stands_beside_their_speed(tmp_path: Path) -> None:
    def event_f1(said: float, filtered: float, **more: Any) -> dict[str, Any]:
        return {"event_f1": {"mean": said, "std": 0.0}, "filtered_event_f1": {"mean": filtered, "std": 0.0}, **more}

    peers = {
        "seeds": 2,
        "metrics": {"seeds": 2, "ms_stan": {"real_phases": event_f1(0.4, 0.5), "unseen_materials": event_f1(0.2, 0.3)}},
        "baselines": {
            "TSN-R50": {"unseen_materials": event_f1(0.03, 0.07)},
            "X3D-XS": {"unseen_materials": event_f1(0.1, 0.2, update_ms={"p50": 99.0})},
            "SVM+HOG": {"unseen_materials": event_f1(0.01, 0.02, update_ms={"p50": 12.0})},
            "not judged": {"unseen_materials": {"accuracy": {"mean": 0.5, "std": 0.0}}},
        },
    }
    rows = compared(FOUND, peers)
    assert [row.name for row in rows] == ["MS-STAN nano", "SVM+HOG", "X3D-XS", "TSN-R50"]
    assert [row.update_ms for row in rows[:3]] == [2.0, 12.0, 60.0]  # the benchmark's time of X3D-XS, not its own
    for name, content in {"bench": FOUND, "peers": peers}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    page = tmp_path / "performance.md"
    write_page(tmp_path / "bench.json", page)
    text = page.read_text(encoding="utf-8")
    assert "| **MS-STAN nano** | 2 | 0.400 (0.500) | 0.200 (0.300) |" in text
    assert "| TSN-R50 | not timed |  | 0.030 (0.070) |" in text
    assert (tmp_path / "images" / "speed_and_f1.png").stat().st_size > 5_000
