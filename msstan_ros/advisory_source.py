"""The monitor's advice: which procedure is in force, and what follows from each decision under it."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.advisor import Advisor, AdvisorConfig
from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.decision.result import Decision
from msstan_core.observation import Tick
from msstan_core.vocabulary import Modality


class AdvisorySource:
    """Advice about the decisions of one session. Used by the inference thread only, but for :meth:`reset`.

    Args:
        procedures: where the procedure in force is found. config: how strongly and how long is advised.
        logger: hears when a procedure comes into force, and why none is.
    """

    def __init__(self, procedures: ProcedureBook, config: AdvisorConfig, logger: RcutilsLogger) -> None:
        self._procedures, self._logger = procedures, logger
        self._advisor = Advisor(config)
        self._said: str | None = None

    def reset(self) -> None:
        """Forget events and remedies; not while a decision is being made."""
        self._advisor.reset()

    def advise(self, tick: Tick, decision: Decision) -> Advice | None:
        """What to publish about this decision on ``weld/advisory``, if anything (without session and numbers)."""
        wps, problem = self._procedures.in_force(tick.context)
        state = problem or f"advice within WPS {wps.id if wps else ''}"
        if state != self._said:
            self._said = state
            self._logger.info(f"no advice: {problem}" if problem else state)
        telemetry = tick.telemetry if tick.has(Modality.TELEMETRY) else None
        return self._advisor.update(decision.stamp_ns, decision.action, decision.events, telemetry, wps)
