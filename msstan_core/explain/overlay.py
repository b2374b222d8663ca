"""The annotated picture: what the monitor says, drawn over what it sees. Arrays in, array out; no ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.result import ImageRegion
from msstan_core.vocabulary import MODALITIES, Action

#: Width of the drawn picture, px; smaller images are enlarged so that text stays readable.
WIDTH_PX = 640
#: Height of the strip below the image, px.
STRIP_PX = 84
#: Anomalies that find a place over the picture.
MAX_LINES = 4
#: Opacity of the attention map where attention is highest.
ATTENTION_OPACITY = 0.45
#: Range of the thermal picture, degC; fixed, so that a colour means the same in every image.
THERMAL_RANGE_CELSIUS = (20.0, 2000.0)

Colour = tuple[int, int, int]  #: blue, green, red
BACKGROUND: Colour = (24, 24, 24)
TEXT: Colour = (235, 235, 235)
MUTED: Colour = (120, 120, 120)
ALARM: Colour = (40, 40, 230)
SUSPICION: Colour = (40, 190, 240)
#: The same as matplotlib takes them.
ALARM_COLOUR, SUSPICION_COLOUR = "#e62828", "#f0be28"
_FONT = cv2.FONT_HERSHEY_SIMPLEX

#: One colour per action, here and in every other picture of the project.
ACTION_COLOURS: dict[Action, Colour] = {
    Action.UNKNOWN: (120, 120, 120),
    Action.IDLE: (160, 140, 120),
    Action.ELECTRODE_MOVEMENT: (200, 160, 60),
    Action.MATERIAL_PLACEMENT: (180, 120, 180),
    Action.ARC_INITIATION: (60, 190, 250),
    Action.MATERIAL_DEPOSITION: (80, 180, 80),
    Action.HEAT_INPUT_ADJUSTMENT: (190, 200, 60),
    Action.CRATER_FILL: (60, 140, 200),
    Action.ARC_EXTINCTION: (70, 90, 230),
    Action.COOLING: (220, 150, 90),
}


@dataclass(frozen=True, slots=True)
class OpenAnomaly:
    """One line over the picture, and where in it."""

    text: str
    alarm: bool = False  #: otherwise a suspicion
    region: ImageRegion | None = None  #: of the picture that it points at

    @property
    def colour(self) -> Colour:
        """Of the line and the region."""
        return ALARM if self.alarm else SUSPICION


@dataclass(frozen=True, slots=True)
class OverlayContent:
    """What is drawn.

    Args:
        action: recognised action.
        probability: of it, 0..1; NaN when UNKNOWN.
        weights: share of each modality, [4].
        valid: which modalities entered, [4].
        anomalies: what is suspected or alarmed now, alarms first: only the first lines find a place.
        warning: what is wrong with the monitor itself; "": nothing.
        latency_s: stamp to publication; NaN when not known.
    """

    action: Action = Action.UNKNOWN
    probability: float = math.nan
    weights: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    valid: tuple[bool, ...] = (False, False, False, False)
    anomalies: tuple[OpenAnomaly, ...] = ()
    warning: str = ""
    latency_s: float = math.nan

    @property
    def alarm(self) -> bool:
        """Whether any anomaly is an alarm."""
        return any(anomaly.alarm for anomaly in self.anomalies)


def draw_overlay(
    picture: NDArray[np.uint8] | None, content: OverlayContent, attention: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """The picture with a strip of statements below it.

    Args:
        picture: [H, W] mono or [H, W, 3] BGR, 8 bit; None: a black one.
        content: statements.
        attention: [h, w], any scale; tinted over the picture.

    Returns:
        [H', 640, 3] BGR, 8 bit.
    """
    view = _enlarged(picture if picture is not None else np.zeros((360, WIDTH_PX), np.uint8))
    if attention is not None and picture is not None:
        view = tinted(view, attention)
    if picture is not None:
        _draw_regions(view, content.anomalies)
    strip = np.full((STRIP_PX, WIDTH_PX, 3), BACKGROUND, np.uint8)
    _draw_action(strip, content)
    _draw_modalities(strip, content)
    top = [(anomaly.text, anomaly.colour) for anomaly in content.anomalies[:MAX_LINES]]
    if content.warning:
        top.append((content.warning, (0, 165, 255)))
    for row, (text, colour) in enumerate(top):
        _banner(view, text, colour, row)
    return np.vstack([view, strip])


def anomaly_words(
    iso_code: int, name: str, score: float, threshold: float, *, alarm: bool = False, alarm_threshold: float = math.nan
) -> str:
    """A line about an open anomaly: whether it is an alarm, its ISO 6520-1 number (0: none), score and limit."""
    code = f"{iso_code} " if iso_code else ""
    limit = alarm_threshold if alarm else threshold
    return f"{'ALARM' if alarm else 'suspected'} {code}{name} {score:.2f} (from {limit:.2f})"


def thermal_picture(celsius: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Degrees Celsius [H, W] as colours [H, W, 3] over a fixed range; NaN is black."""
    low, high = THERMAL_RANGE_CELSIUS
    level = np.clip((np.nan_to_num(celsius, nan=low) - low) / (high - low), 0, 1)
    picture: NDArray[np.uint8] = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(
        np.uint8
    )
    return picture


def tinted(view: NDArray[np.uint8], attention: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture with a map over it, stronger where the map is above its own mean.

    Args:
        view: [H, W, 3] BGR, 8 bit. attention: [h, w], any scale; negative values tint nothing.
    """
    peak = float(np.nanmax(attention)) if attention.size else 0.0
    if not math.isfinite(peak) or peak <= 0:
        return view
    # Relative to evenly spread attention: a map that prefers nothing shall not light up.
    even = max(float(np.nanmean(attention)), 0.0)
    level = np.clip((np.nan_to_num(attention) - even) / max(peak - even, 1e-12), 0, 1).astype(np.float32)
    level = cv2.resize(level, (view.shape[1], view.shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    colours = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_JET)
    opacity = (ATTENTION_OPACITY * level)[..., None]
    mixed: NDArray[np.uint8] = (view * (1 - opacity) + colours * opacity).astype(np.uint8)
    return mixed


def colour_of(action: Action) -> tuple[float, float, float]:
    """The action's colour as matplotlib takes it (red, green, blue in 0..1)."""
    blue, green, red = ACTION_COLOURS[action]
    return red / 255, green / 255, blue / 255


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    height = max(1, round(picture.shape[0] * WIDTH_PX / picture.shape[1]))
    how = cv2.INTER_AREA if picture.shape[1] > WIDTH_PX else cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = cv2.resize(picture, (WIDTH_PX, height), interpolation=how).astype(np.uint8)
    return resized


def _draw_regions(view: NDArray[np.uint8], anomalies: tuple[OpenAnomaly, ...]) -> None:
    height, width = view.shape[:2]
    for anomaly in reversed(anomalies):  # alarms on top
        if (region := anomaly.region) is None:
            continue
        corner = round(region.left * width), round(region.top * height)
        opposite = round(region.right * width) - 1, round(region.bottom * height) - 1
        cv2.rectangle(view, corner, opposite, anomaly.colour, 2)


def _draw_action(strip: NDArray[np.uint8], content: OverlayContent) -> None:
    colour = ACTION_COLOURS[content.action]
    cv2.putText(strip, content.action.name.replace("_", " "), (12, 26), _FONT, 0.7, colour, 2, cv2.LINE_AA)
    known = math.isfinite(content.probability)
    cv2.rectangle(strip, (360, 12), (560, 28), MUTED, 1)
    if known:
        cv2.rectangle(strip, (361, 13), (361 + round(198 * min(max(content.probability, 0), 1)), 27), colour, -1)
    label = f"{content.probability:4.0%}" if known else "  ?"
    cv2.putText(strip, label, (572, 26), _FONT, 0.55, TEXT, 1, cv2.LINE_AA)


def _draw_modalities(strip: NDArray[np.uint8], content: OverlayContent) -> None:
    for index, modality in enumerate(MODALITIES):
        left = 12 + index * 136
        used = content.valid[index]
        cv2.putText(strip, modality.label, (left, 50), _FONT, 0.42, TEXT if used else MUTED, 1, cv2.LINE_AA)
        share = f"{content.weights[index]:.0%}" if used else "none"
        cv2.putText(strip, share, (left + 82, 50), _FONT, 0.42, TEXT if used else MUTED, 1, cv2.LINE_AA)
        cv2.rectangle(strip, (left, 58), (left + 120, 68), MUTED, 1)
        if used:
            cv2.rectangle(
                strip, (left + 1, 59), (left + 1 + round(118 * content.weights[index]), 67), (200, 200, 90), -1
            )
    if math.isfinite(content.latency_s):
        cv2.putText(strip, f"{content.latency_s * 1e3:.0f} ms", (566, 66), _FONT, 0.5, MUTED, 1, cv2.LINE_AA)


def _banner(view: NDArray[np.uint8], text: str, colour: Colour, row: int) -> None:
    top = row * 26
    if top + 26 > view.shape[0]:
        return
    view[top : top + 26] = (view[top : top + 26] * 0.35).astype(np.uint8)
    cv2.rectangle(view, (0, top), (6, top + 25), colour, -1)
    shown = text if len(text) <= 78 else text[:75] + "..."
    cv2.putText(view, shown, (14, top + 18), _FONT, 0.48, colour, 1, cv2.LINE_AA)
