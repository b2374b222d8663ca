"""What the training commands share: loading recordings and a progress bar, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from msstan_core.recordings.bag_folders import DescribedBag, described_bags
from msstan_core.recordings.rejections import say_rejections
from msstan_core.sensor_settings import DEFAULT_SENSORS, SensorSettings
from msstan_core.training.array_file import allow_many_files
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import FeatureExtractor, Recording

#: Steps between progress lines where standard error is no terminal.
LINES_EVERY = 50


def load_recordings(
    console: Console,
    config: TrainingConfig,
    folders: list[Path],
    cache: Path,
    sensors: SensorSettings = DEFAULT_SENSORS,
) -> list[Recording]:
    """Features of all bags in these folders, without what the configuration withholds.

    Raises:
        InputError: when a folder or bag cannot be read; of a bag that cannot even be opened before the first is read.
    """
    return features_of(console, config, described_bags(folders), cache, sensors)


def features_of(
    console: Console,
    config: TrainingConfig,
    bags: Sequence[DescribedBag],
    cache: Path,
    sensors: SensorSettings = DEFAULT_SENSORS,
) -> list[Recording]:
    """Features of these bags, without what the configuration withholds.

    Raises:
        InputError: when one cannot be read.
    """
    allow_many_files()
    extract = FeatureExtractor(config.model_config_of_size(), cache, sensors)
    recordings = []
    with _bar(console) as progress:
        task = progress.add_task("reading bags", total=len(bags), note="")
        for bag in bags:
            recordings.append(extract(bag.path, config.withheld(bag.attributes)))
            progress.update(task, advance=1, note=bag.path.name)
    say_rejections(console, extract.rejections)
    return recordings


@contextmanager
def training_bar(console: Console, title: str) -> Iterator[Callable[[int, int, float], None]]:
    """A progress callback for the trainer: a bar on a terminal, a line now and then elsewhere."""
    with _bar(console) as progress:
        task = progress.add_task(title, total=None, note="")

        def update(step: int, steps: int, loss: float) -> None:
            progress.update(task, total=steps, completed=step, note=f"loss {loss:.3f}")
            if not console.is_terminal and (step % LINES_EVERY == 0 or step == steps):
                console.print(f"{title}: step {step}/{steps}, loss {loss:.3f}", highlight=False)

        yield update


@contextmanager
def counting_bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that counts (done, all) on a terminal; a line for each elsewhere is too many, so there is none."""
    with _bar(console) as progress:
        task = progress.add_task(title, total=None, note="")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
