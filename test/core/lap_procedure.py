"""The example procedure of a lap joint, to be changed by tests."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import WPS_FOLDER, parse_wps
from msstan_core.resources import share_path

#: The example procedure of a lap joint as its file has it.
LAP: dict[str, Any] = yaml.safe_load(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml").read_text())


def lap(**changes: Any) -> Wps:
    """The procedure with some sections replaced."""
    return parse_wps({**copy.deepcopy(LAP), **changes})
