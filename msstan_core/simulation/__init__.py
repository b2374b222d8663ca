"""The simulated weld cell: one hidden physical process, observed by camera, thermal camera, microphone and
telemetry.
"""

from msstan_core.simulation.cell import WeldCell, simulate
from msstan_core.simulation.parameter_changes import ParameterDeltas
from msstan_core.simulation.randomisation import randomised
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.scenario_files import builtin_scenarios, load_scenario, parse_scenario

__all__ = [
    "ParameterDeltas",
    "Scenario",
    "WeldCell",
    "builtin_scenarios",
    "load_scenario",
    "parse_scenario",
    "randomised",
    "simulate",
]
