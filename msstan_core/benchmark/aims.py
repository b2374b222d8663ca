"""What the project aims at in speed, and whether a figure reaches it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpeedAim:
    """One figure of ``bench.json`` and its limits.

    Args:
        figure: name in ``metrics``. label: for people. most: limit of the median or the plain number.
        most_p99: limit of the 99th percentile. least: lower limit of the median.
        plain: the figure is one number, which has no median.
    """

    figure: str
    label: str
    most: float | None = None
    most_p99: float | None = None
    least: float | None = None
    plain: bool = False

    def __str__(self) -> str:
        """As people read it; empty where nothing is aimed at."""
        median = "" if self.plain else "median "
        parts = []
        if self.most is not None:
            parts.append(f"{median}<= {self.most:g}")
        if self.most_p99 is not None:
            parts.append(f"p99 <= {self.most_p99:g}")
        if self.least is not None:
            parts.append(f"{median}>= {self.least:g}")
        return ", ".join(parts)

    def reached_by(self, value: object) -> bool:
        """Whether a figure is within all limits; what is not a number reaches nothing.

        Args:
            value: a plain number, or a mapping with ``p50`` (or ``mean``) and perhaps ``p99``.
        """
        figures = value if isinstance(value, dict) else {"p50": value}
        middle = figures.get("p50", figures.get("mean"))
        limits = ((middle, self.most, False), (figures.get("p99"), self.most_p99, False), (middle, self.least, True))
        return all(
            isinstance(number, (int, float)) and (number >= limit if at_least else number <= limit)
            for number, limit, at_least in limits
            if limit is not None
        )


AIMS = (
    SpeedAim("tick_ms", "network, one tick, ms", most=5, most_p99=10),
    SpeedAim("monitor_tick_ms", "samples to decision, ms", most=5, most_p99=10),
    SpeedAim("backbone_ratio", "network over its camera backbone alone", most=1.3),
    SpeedAim("preprocessing_ratio", "preprocessing over network", most=1),
    SpeedAim("adaptation_ratio", "tick while adaptation learns without pause, over one without adaptation"),
    SpeedAim("adaptation_p99_ratio", "the same of the 99th percentiles"),
    SpeedAim("end_to_end_ms", "acquisition to message through DDS, ms", most_p99=33),
    SpeedAim("lost", "samples, frames and results lost", most=0, plain=True),
    SpeedAim("cpu_share", "share of one core, live"),
    SpeedAim("rss_mb", "resident memory, MB", most=600),
    SpeedAim("first_action_s", "start to first action, s", most=5),
    SpeedAim("late_at_100_hz", "share of 100 frames a second that are answered late", most=0, plain=True),
    SpeedAim("late_at_100_hz_skipping", "the same where the importance gate skips frames", most=0, plain=True),
    SpeedAim(
        "streaming_difference",
        "streaming against unrolled, largest difference of an action probability",
        most=1e-5,
        plain=True,
    ),
    SpeedAim("ratio_x3d_xs", "X3D-XS over MS-STAN nano, per update", least=12),
    SpeedAim("ratio_r3d_18", "3D ResNet-18 over MS-STAN nano, per update", least=200),
    SpeedAim("ratio_slowfast", "SlowFast-R50 over MS-STAN nano, per update", least=200),
    SpeedAim("base_tick_ms", "network of size base, ms"),
    SpeedAim("held_tick_ms", "network, frame held by the gate, ms"),
)


#: Figure -> its aim. Whoever judges a figure of ``bench.json`` judges it by this.
AIM_OF = {aim.figure: aim for aim in AIMS}


def verdict(aim: SpeedAim, value: object) -> str:
    """Whether the aim is reached: yes or no; empty where nothing is aimed at."""
    if not str(aim):
        return ""
    return "yes" if aim.reached_by(value) else "no"
