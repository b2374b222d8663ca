"""The monitor in a terminal: bars for a screen, one line a second for a log."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from msstan_core.vocabulary import ACTIONS, MODALITIES, Action
from msstan_ros.health import Health
from msstan_ros.live_status import ActionRow, LiveStatus

#: Length of a full bar, characters.
BAR_WIDTH = 32

ACTION_STYLES: dict[Action, str] = {
    Action.UNKNOWN: "bright_black",
    Action.IDLE: "white",
    Action.ELECTRODE_MOVEMENT: "cyan",
    Action.MATERIAL_PLACEMENT: "magenta",
    Action.ARC_INITIATION: "bright_yellow",
    Action.MATERIAL_DEPOSITION: "green",
    Action.HEAT_INPUT_ADJUSTMENT: "bright_cyan",
    Action.CRATER_FILL: "yellow",
    Action.ARC_EXTINCTION: "red",
    Action.COOLING: "bright_blue",
}
_HEALTH_STYLES = {Health.OK: "green", Health.DEGRADED: "yellow", Health.STALE: "red", Health.ERROR: "bold red"}


def screen(status: LiveStatus) -> RenderableType:
    """The whole status as a panel."""
    newest = None if status.silent else status.newest
    return Panel(
        Group(_headline(status, newest), Text(), _probabilities(newest), Text(), _modalities(newest), _footer(status)),
        title=f"weld monitor  {status.model}",
        width=78,
    )


def line(status: LiveStatus) -> str:
    """The status in one line without colours."""
    newest = status.newest
    if status.silent:
        return f"{'NO HEARTBEAT':<21} for {status.silence_s:.0f} s"
    if newest is None or status.health in (Health.STALE, Health.ERROR):
        return f"{status.health.name:<21} {status.message or 'waiting for the first decision'}"
    weights = " ".join(f"{m.label} {newest.weights[m]:.2f}" for m in MODALITIES if newest.valid[m])
    anomalies = "; ".join(map(str, status.open_anomalies))
    return (
        f"{newest.action.name:<21} {newest.probability:4.2f} | {weights or 'no input'} | "
        f"{_milliseconds(newest.pipeline_s)} | {status.health.name}{' | ' + anomalies if anomalies else ''}"
    )


def _headline(status: LiveStatus, newest: ActionRow | None) -> Text:
    if status.silent:
        return Text(f"no heartbeat for {status.silence_s:.0f} s", style="bold red")
    if newest is None:
        return Text("waiting for the first decision", style="bright_black")
    text = Text(f"{newest.action.name.replace('_', ' '):<24}", style=f"bold {ACTION_STYLES[newest.action]}")
    text.append(f"{newest.probability:6.1%}" if math.isfinite(newest.probability) else "   ?", style="bold")
    text.append(
        f"   {_milliseconds(newest.pipeline_s)} stamp to publication, {status.tick_rate_hz:.0f} Hz", "bright_black"
    )
    return text


def _probabilities(newest: ActionRow | None) -> Table:
    table = Table.grid(padding=(0, 1))
    for index, action in enumerate(ACTIONS):
        value = float(newest.probabilities[index]) if newest is not None else math.nan
        table.add_row(action.name, Text(_bar(value), style=ACTION_STYLES[action]), _percent(value))
    return table


def _modalities(newest: ActionRow | None) -> Table:
    table = Table.grid(padding=(0, 1))
    for modality in MODALITIES:
        used = newest is not None and newest.valid[modality]
        weight = float(newest.weights[modality]) if newest is not None and used else math.nan
        name = Text(f"{modality.label:<21}", style="" if used else "bright_black")
        table.add_row(name, Text(_bar(weight), style="bright_white"), _percent(weight) if used else "no input")
    return table


def _footer(status: LiveStatus) -> Text:
    text = Text()
    if status.silent:
        return Text("\nthe monitor has ended, is inactive, or cannot be reached", "bright_black")
    for span in status.open_anomalies:
        text.append(f"\n{span} (from {span.threshold:.2f})", "bold red" if span.alarm else "yellow")
    text.append(f"\n{status.health.name}", _HEALTH_STYLES.get(status.health, "bright_black"))
    if status.message:
        text.append(f" {status.message}", "bright_black")
    return text


def _bar(value: float) -> str:
    filled = round(BAR_WIDTH * min(max(value, 0.0), 1.0)) if math.isfinite(value) else 0
    return "█" * filled + "·" * (BAR_WIDTH - filled)


def _percent(value: float) -> str:
    return f"{value:6.1%}" if math.isfinite(value) else "     ?"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if math.isfinite(seconds) else "? ms"
