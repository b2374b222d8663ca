"""A picture of how soon imperfections are said: as suspicions, and as alarms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.explain.overlay import ALARM_COLOUR, SUSPICION_COLOUR
from msstan_core.studies.false_alarms import Level, delays_of
from msstan_core.studies.watched_welds import WatchedWeld
from msstan_core.vocabulary import IMPERFECTIONS

#: Seconds from an imperfection's onset that are shown.
SHOWN_S = 5.0
_COLUMNS = 4
_COLOURS: dict[Level, str] = {"suspicion": SUSPICION_COLOUR, "alarm": ALARM_COLOUR}
_NAMES = {i.iso_code: i.name for i in IMPERFECTIONS}


def draw_delays(watched: Sequence[WatchedWeld], picture: Path) -> None:
    """One field per imperfection: over the seconds since its onset, the share that has been said by then.

    Args:
        watched: welds, of which the faulty ones count. picture: PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {level: delays_of(watched, level) for level in _COLOURS}
    codes = sorted(found["suspicion"])
    lines = max(-(-len(codes) // _COLUMNS), 1)
    figure = Figure(figsize=(11, 0.6 + 1.9 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    fields: Any = figure.subplots(lines, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for field, code in zip(fields.flat, codes, strict=False):
        spans = found["suspicion"][code]
        for level, colour in _COLOURS.items():
            said = np.sort([delay for delay in found[level][code] if delay is not None and delay <= SHOWN_S])
            steps = np.arange(len(said) + 1) / len(spans)
            field.step([0.0, *said, SHOWN_S], [*steps, steps[-1]], where="post", color=colour, label=level, linewidth=2)
        field.set_title(f"{code} {_NAMES[code]} ({len(spans)})", fontsize=9)
        field.set_xlim(0, SHOWN_S)
        field.set_ylim(-0.02, 1.02)
    for field in list(fields.flat)[len(codes) :]:
        field.set_axis_off()
    for field in fields[:, 0]:
        field.set_ylabel("share said", fontsize=8)
    figure.supxlabel("seconds since the imperfection's onset", fontsize=9)
    if codes:
        fields.flat[0].legend(fontsize=8, frameon=False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110, format="png")
