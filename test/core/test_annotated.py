"""Decisions drawn over the image: still pictures and the video of a recording."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from msstan_core.cli import main
from msstan_core.closed_loop.welds import study_weld
from msstan_core.decision.result import AnomalyEvent, Decision, EventPhase, Evidence, ImageRegion
from msstan_core.errors import InputError
from msstan_core.explain.annotated import VIDEO_RATE_HZ, AnnotatedVideo, annotated
from msstan_core.explain.overlay import SUSPICION, WIDTH_PX, anomaly_words
from msstan_core.observation import CameraFrame, ThermalFrame, Tick, WeldContext
from msstan_core.recordings.bag import BagWriter
from msstan_core.simulation.recording import record
from msstan_core.simulation.watching import with_sensors
from msstan_core.vocabulary import Action

GREY = np.full((90, 160, 3), 90, np.uint8)


def decision(attention: NDArray[np.float32] | None = None, degraded: tuple[str, ...] = ()) -> Decision:
    nine, thirteen = np.full(9, 1 / 9, np.float32), np.full(13, np.nan, np.float32)
    return Decision(
        1, "camera", Action.MATERIAL_DEPOSITION, 0.8, nine, nine, thirteen, 1.0, 2.0,
        np.array([0.4, 0, 0.6, 0], np.float32), np.array([True, False, True, False]), np.zeros(4, np.float32),
        attention, (), degraded=degraded,
    )  # fmt: skip


def event(region: ImageRegion | None) -> AnomalyEvent:
    evidence = Evidence((1.0, 0.0, 0.0, 0.0), region)
    return AnomalyEvent(1, EventPhase.ONSET, 2011, "gas pore", 0.7, 0.5, math.nan, 1, 1, math.nan, evidence)


def test_the_image_is_drawn_with_what_is_open_and_where() -> None:
    tick = Tick(0, 1, camera=CameraFrame(1, image=GREY))
    plain = annotated(tick, decision())
    assert plain.shape[1] == WIDTH_PX and (plain[200] == 90).all()
    drawn = annotated(tick, decision(), [event(ImageRegion(0.25, 0.5, 0.75, 0.75))])
    assert tuple(drawn[270, 160]) == SUSPICION and tuple(drawn[270, 100]) == (90, 90, 90)
    assert (drawn[:26] != plain[:26]).any(), "a line of text"
    assert (annotated(tick, decision(degraded=("thermal stale",)))[:26] != plain[:26]).any()


def test_a_compressed_image_is_drawn_like_the_image_itself() -> None:
    content = cv2.imencode(".png", GREY)[1].tobytes()
    attention = np.eye(4, dtype=np.float32)
    seen = [CameraFrame(1, image=GREY), CameraFrame(1, encoded=content)]
    first, second = (annotated(Tick(0, 1, camera=frame), decision(attention)) for frame in seen)
    np.testing.assert_array_equal(first, second)
    assert (first != annotated(Tick(0, 1, camera=seen[0]), decision())).any(), "tinted"
    assert annotated(Tick(0, 1, camera=CameraFrame(1, encoded=b"no image")), decision()).shape[1] == WIDTH_PX


def test_without_a_camera_it_is_the_thermal_image_without_boxes() -> None:
    celsius = np.linspace(20, 1900, 48 * 64, dtype=np.float32).reshape(48, 64)
    tick = Tick(0, 1, thermal=ThermalFrame(1, celsius))
    region = ImageRegion(0.25, 0.5, 0.75, 0.75)
    drawn, plain = annotated(tick, decision(), [event(region)]), annotated(tick, decision(), [event(None)])
    np.testing.assert_array_equal(drawn, plain)
    assert plain[100:300].any()
    assert not annotated(Tick(0, 1), decision())[100:300].any(), "nothing to see"


def test_a_line_says_whether_it_is_an_alarm_and_its_own_limit() -> None:
    assert anomaly_words(2011, "gas pore", 0.7, 0.5) == "suspected 2011 gas pore 0.70 (from 0.50)"
    said = anomaly_words(0, "novelty", 5.25, 4.0, alarm=True, alarm_threshold=5.0)
    assert said == "ALARM novelty 5.25 (from 5.00)"


def frames(path: Path) -> list[int]:
    """Mean grey of every frame."""
    capture, out = cv2.VideoCapture(str(path)), []
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(VIDEO_RATE_HZ)
    while (read := capture.read())[0]:
        out.append(round(float(read[1].mean())))
    return out


def test_pictures_keep_their_time_in_the_video(tmp_path: Path) -> None:
    with AnnotatedVideo(tmp_path / "weld.mp4") as video:
        for grey, time_s in ((40, 3.0), (120, 3.2), (200, 3.21), (80, 10.0)):
            video.add(np.full((101, 161, 3), grey, np.uint8), time_s)
        video.add(np.full((60, 60, 3), 240, np.uint8), 10.2)
    seen = frames(tmp_path / "weld.mp4")
    count = [sum(abs(own - grey) < 12 for own in seen) for grey in (40, 120, 200, 80, 240)]
    assert count[0] == 5 and count[1] <= 1, "0.2 s; one that lasts 10 ms need not be seen"
    assert count[2] in (50, 51), "a hole is shown for two seconds"
    assert count[3:] == [5, 1] and sum(count) == len(seen)


def test_a_clock_that_is_set_back_loses_no_picture(tmp_path: Path) -> None:
    with AnnotatedVideo(tmp_path / "weld.mp4") as video:
        for start_s, grey in ((20.0, 40), (0.0, 200)):
            for k in range(50):
                video.add(np.full((60, 80, 3), grey, np.uint8), start_s + k / 25)
    seen = frames(tmp_path / "weld.mp4")
    assert sum(own < 60 for own in seen) >= 49 and sum(own > 180 for own in seen) >= 49


def test_a_recording_without_a_tick_is_said_with_a_video_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagWriter(tmp_path / "weld") as writer:
        writer.write(WeldContext(stamp_ns=10**18))
    files = ["--out", str(tmp_path / "weld.html"), "--video", str(tmp_path / "weld.mp4")]
    assert main(["report", str(tmp_path / "weld"), *files]) == 1
    assert "gives no tick" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["weld"]


def test_a_place_that_takes_no_video_is_named(tmp_path: Path) -> None:
    place = tmp_path / "part.xyz", tmp_path / "weld.xyz"
    with pytest.raises(InputError, match=r"weld\.xyz"), AnnotatedVideo(*place) as video:
        video.add(np.asarray(GREY, np.uint8), 0.0)
    with AnnotatedVideo(tmp_path / "empty.mp4"):
        pass


def test_a_report_has_a_video_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, page, video = tmp_path / "weld", tmp_path / "weld.html", tmp_path / "weld.mp4"
    record(with_sensors(study_weld(2017, 0), ("telemetry",)), bag)
    assert main(["report", str(bag), "--out", str(page), "--video", str(video)]) == 0
    assert "2017 surface pore" in page.read_text(encoding="utf-8")
    assert "suspicions" in capsys.readouterr().out
    assert "data:image/jpeg" in page.read_text(encoding="utf-8")
    assert len(frames(video)) > 300
