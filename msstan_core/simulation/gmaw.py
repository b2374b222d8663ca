"""GMAW: power source, wire, droplets, short circuits and arc as one circuit, stepped at 16 kHz.

The transfer mode (short circuit, globular, spray) is not chosen: it follows from voltage, wire feed and current.

- circuit: L dI/dt = U_source - R I - U_arc (or the bridge's resistance while shorted)
- wire melting v_m = a I + b l I^2 (A. Lesnewich, Welding Journal 37 (1958) 343s-353s)
- arc voltage U_arc = U_0 + r I + E g, gap g
- free droplets leave when they reach the size the static force balance allows; above the transition current they are
  about as wide as the wire (J. F. Lancaster (ed.), The Physics of Welding, 2nd ed. (1986), ch. 7)
- a bridge ruptures after a pinch integral of I^2 t, and the violence of the rupture grows with the current squared
- the pool surface swings as a damped oscillator excited by every transfer
"""

from __future__ import annotations

import math

import numpy as np

from msstan_core.simulation.energy import SAMPLE_RATE_HZ, STEP_S, STEP_SAMPLES, SourceInputs, Waveform
from msstan_core.simulation.penetration import arc_penetration_m
from msstan_core.simulation.scenario import Scenario
from msstan_core.vocabulary import PROCESS_EFFICIENCY, Filler, Process

#: a in m/(A s) and b in 1/(A^2 s) of Lesnewich's melting law for a 1.2 mm wire, spray transition current in A. Other
#: metals follow from steel by resistivity and heat to melt; transition currents are of the order handbooks give.
WIRE_MELTING: dict[Filler, tuple[float, float, float]] = {
    Filler.STEEL: (2.7e-4, 5.5e-5, 255.0),
    Filler.STAINLESS: (2.6e-4, 7.5e-5, 225.0),
    Filler.ALUMINIUM_SILICON: (8.3e-4, 2.0e-6, 135.0),
    Filler.ALUMINIUM_MAGNESIUM: (8.6e-4, 2.5e-6, 135.0),
    Filler.COPPER_SILICON: (4.5e-4, 1.2e-5, 205.0),
    Filler.NICKEL: (2.8e-4, 6.5e-5, 240.0),
    Filler.MAGNESIUM: (1.3e-3, 3.0e-6, 120.0),
}
OPEN_CIRCUIT_V = 40.2
MAX_CURRENT_A = 480.0
EXTINCTION_CURRENT_A = 14.0
BRIDGE_OHM = 0.011
#: Smallest free drop, in wire diameters.
_LEAST_DROP = 0.85
CIRCUIT_OHM = 0.012
#: Angular frequency at which the kicks below give the swing that short circuits of real welds show, 1/s.
_TYPICAL_POOL_W = 2 * math.pi * 87.0
#: The pool answers to means over about this time, s.
_MEAN_S = 0.1


class GmawArc:
    """The arc with its wire. State: current, solid stick-out, drop, gap, bridge."""

    efficiency = PROCESS_EFFICIENCY[Process.GMAW]

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        process = scenario.process
        self._random = random
        self._noise = scenario.noise
        filler = scenario.joint.filler_kind
        a, b, transition = WIRE_MELTING.get(filler, WIRE_MELTING[Filler.STEEL])
        thickness = process.wire_diameter_m / 0.0012
        self._melt_a, self._melt_b = a / thickness**2, b / thickness**4
        self._transition_a = transition * thickness * (1.0 + 0.5 * process.carbon_dioxide)
        self._sprays = process.carbon_dioxide < 0.3
        self._diameter = process.wire_diameter_m
        self._section = math.pi / 4 * process.wire_diameter_m**2
        self._inductance = process.inductance_h
        # argon-rich gas burns at lower voltage than carbon dioxide
        self._arc_v = 14.9 + 4.0 * process.carbon_dioxide - (3.0 if filler in _LIGHT else 0.0)
        self._field_v_m = 1200.0 + 500.0 * process.carbon_dioxide
        self._wire_ohm_m = (1.0e-6 if filler not in _LIGHT else 1.0e-7) / self._section
        self._current = 0.0
        self._solid = max(process.stick_out_m - 0.004, 0.004)
        self._drop = 0.0  # m of wire hanging as a drop
        self._mode = _OPEN
        self._pinch = 0.0
        self._bridge_limit = 0.0
        self._shorted_s = 0.0
        self._igniting = True
        self._pool_z = 0.0
        self._pool_v = 0.0
        self._voltage = 0.0
        self._arc_noise = 0.0
        self._drop_limit = 1.0
        self._gap = 0.0  # the arc's length at the end of the last step
        self._mean_a = 0.0
        self._mean_v = 0.0
        self._draw_drop_limit()

    def current_for(self, wire_feed_m_s: float, stick_out_m: float) -> float:
        """Mean current in A at which the wire melts as fast as it is fed."""
        a, b = self._melt_a, self._melt_b * max(stick_out_m - 0.003, 0.003)
        return (-a + math.sqrt(a * a + 4 * b * max(wire_feed_m_s, 0.0))) / (2 * b)

    def voltage_for(self, current_a: float, gap_m: float, stick_out_m: float) -> float:
        """Programmed voltage that holds an arc of ``gap_m`` at ``current_a``."""
        wire = self._wire_ohm_m * (stick_out_m - gap_m)
        return self._arc_v + (0.012 + wire) * current_a + self._field_v_m * gap_m

    def step(self, inputs: SourceInputs) -> Waveform:
        """One control step of 10 ms (see the module text for the model)."""
        n = STEP_SAMPLES
        dt = 1.0 / SAMPLE_RATE_HZ
        unshielded = 1.0 - inputs.gas_cover
        random = self._random
        agitation = self._noise.pool * (1.0 + 2.5 * unshielded + 2.0 * inputs.blow)
        pool_kicks = (random.standard_normal(n) * (0.9 * agitation)).tolist()
        arc_kicks = (
            random.standard_normal(n) * (0.25 * self._noise.arc * (1 + 5.0 * unshielded + 3.0 * inputs.blow))
        ).tolist()
        pool_w = 2 * math.pi * 55.0 / math.sqrt(max(inputs.pool_size, 0.3))
        pool_damp = 2 * 0.18 * pool_w
        # random kicks move a slow pool farther; transfers do not, so that the amplitude stays
        pool_kick = 260.0 * (pool_w / _TYPICAL_POOL_W) ** 1.5
        pool_w2 = pool_w * pool_w
        melt_a, melt_b = self._melt_a, self._melt_b
        v_feed, tip = inputs.wire_feed_m_s, inputs.tip_distance_m
        nominal = self.current_for(max(inputs.set.wire_feed_speed_m_s, 0.01), inputs.set.stick_out_m)
        # a constant-voltage source holds the mean: its droop is referred to the current the feed calls for
        u_set = inputs.set.voltage_v + CIRCUIT_OHM * min(nominal, 400.0)
        # a deflected arc is longer, in proportion to its length
        deflected = 8.0 * inputs.blow * abs(math.sin(self._pool_z * 9e3 + 1.0)) * min(self._gap / 0.002, 2.0)
        arc_0 = self._arc_v + 2.0 * unshielded + deflected
        wire_ohm_m = self._wire_ohm_m
        inductance, on = self._inductance, inputs.on
        current, solid, drop, mode = self._current, self._solid, self._drop, self._mode
        pool_z, pool_v, voltage, arc_noise = self._pool_z, self._pool_v, self._voltage, self._arc_noise
        currents, voltages, powers, lights = [0.0] * n, [0.0] * n, [0.0] * n, [0.0] * n
        spatter: list[tuple[int, float]] = []
        transferred = 0.0
        burnt = 0
        hang = 0.0
        gap = 0.0
        least = self._drop_limit * _LEAST_DROP * self._diameter  # no free drop is smaller
        sphere = 1.5 * self._diameter * self._diameter  # diameter^3 of the drop that a length of wire makes, over it
        arc_field = self._field_v_m
        for i in range(n):
            pool_v += (pool_kicks[i] * pool_kick - pool_damp * pool_v - pool_w2 * pool_z) * dt
            pool_z += pool_v * dt
            arc_noise += -arc_noise * (dt * 2500.0) + arc_kicks[i]
            hang = 0.75 * (sphere * drop) ** 0.3333
            gap = tip - solid - hang - pool_z
            if mode == _ARC:
                u_arc = arc_0 + 0.012 * current + arc_field * (gap if gap > 0.0 else 0.0) + arc_noise
                load = u_arc + wire_ohm_m * solid * current
                source = u_set if on else 0.0
                current += (source - load - CIRCUIT_OHM * current) / inductance * dt
                voltage = load
                melt = (melt_a * current + melt_b * solid * current * current) * dt
                solid += v_feed * dt - melt
                drop += melt
                if solid < 0.0015:  # burnt back to the contact tip
                    solid = 0.0015
                burnt += 1
                if current < EXTINCTION_CURRENT_A:
                    mode, current = _OPEN, 0.0
                    self._igniting = True
                elif gap <= 0.0:
                    mode = _SHORT
                    self._begin_bridge(drop)
                else:
                    wide = (sphere * drop) ** 0.3333
                    if wide > least and wide > self._drop_limit * self._free_diameter(current):
                        part = drop * (0.9 if wide > 1.2 * self._diameter else 0.75)
                        transferred += part
                        drop -= part
                        pool_v -= 0.02 * min(wide / self._diameter, 2.0)
                        if wide > 1.25 * self._diameter and random.random() < 0.5 * self._noise.spatter:
                            spatter.append((i, 0.5 * wide / self._diameter))
                        self._draw_drop_limit()
                        least = self._drop_limit * _LEAST_DROP * self._diameter
                lights[i] = current * max(u_arc - 8.0, 0.0)
            elif mode == _SHORT:
                resistance = BRIDGE_OHM * (1.0 + 1.5 * self._pinch / self._bridge_limit) + wire_ohm_m * solid
                source = (u_set if not self._igniting else u_set + 4.0) if on else 0.0
                current += (source - (resistance + CIRCUIT_OHM) * current) / inductance * dt
                current = min(current, MAX_CURRENT_A)
                voltage = resistance * current
                solid += v_feed * dt - melt_b * solid * current * current * dt
                self._pinch += current * current * dt
                self._shorted_s += dt
                if (self._pinch > self._bridge_limit and self._shorted_s > 0.0004) or (not on and current < 20.0):
                    violence = (current / 250.0) ** 2
                    if self._igniting:
                        # a first contact fuses like a wire: it leaves a gap of its own
                        blown = 0.0012 + 0.0025 * random.random() + (0.006 if random.random() < 0.18 else 0.0)
                        solid = max(solid - blown, 0.002)
                        drop = 0.0
                        violence *= 1.8
                        self._igniting = False
                    elif self._bridge_limit > 25.0:
                        part = drop * (0.75 + 0.2 * random.random())
                        transferred += part
                        drop -= part
                        blown = min(0.0002 + 0.0003 * random.random(), max(solid - 0.0015, 0.0))
                        solid -= blown
                        transferred += blown
                    pool_v -= 0.10 * min(violence, 2.0) + 0.03
                    if random.random() < self._noise.spatter * (0.15 + 0.5 * violence):
                        spatter.append((i, violence))
                    mode = _ARC if on else _OPEN
                lights[i] = 0.02 * current * voltage
            else:
                current = 0.0
                voltage += ((OPEN_CIRCUIT_V if on else 0.0) - voltage) * dt * (900.0 if on else 60.0)
                solid += v_feed * dt
                if gap <= 0.0 and on:
                    mode = _SHORT
                    self._igniting = True
                    self._begin_bridge(drop)
                elif solid > tip:
                    solid = tip
            if current < 0.0:
                current = 0.0
            currents[i], voltages[i], powers[i] = current, voltage, current * voltage
        self._current, self._solid, self._drop, self._mode = current, solid, drop, mode
        self._pool_z, self._pool_v, self._voltage, self._arc_noise = pool_z, pool_v, voltage, arc_noise
        self._gap = max(gap, 0.0) if mode == _ARC else 0.0
        self._mean_a += (sum(currents) / n - self._mean_a) * STEP_S / _MEAN_S
        self._mean_v += (sum(voltages) / n - self._mean_v) * STEP_S / _MEAN_S
        return Waveform(
            power_w=np.array(powers),
            current_a=np.array(currents),
            voltage_v=np.array(voltages),
            light_w=np.array(lights),
            burning=burnt > n // 4 or (mode != _OPEN and current > 20.0),
            spatter=spatter,
            transfer_m3=transferred * self._section,
            stick_out_m=solid,
            gap_m=self._gap,
            droplet_m=hang,
        )

    def heat_depth_m(self, inputs: SourceInputs) -> float:
        """Half of the penetration: the arc's force and its drops dig it."""
        travel = max(inputs.set.travel_speed_m_s, 0.002)  # a standing arc does not dig on and on
        return max(0.5 * arc_penetration_m(self._mean_a, max(self._mean_v, 8.0), travel), 0.0002)

    def depth_ratio(self, inputs: SourceInputs) -> float:
        """Jackson's law knows it better: NaN."""
        return math.nan

    def _begin_bridge(self, drop: float) -> None:
        """Draw how much pinch this bridge withstands, A^2 s."""
        scatter = 0.5 * self._noise.droplets
        self._pinch = 0.0
        self._shorted_s = 0.0
        if self._igniting:
            self._bridge_limit = 420.0 * math.exp(0.3 * self._random.standard_normal())
        elif drop < 0.35 * self._diameter and self._random.random() < 0.7:
            self._bridge_limit = 12.0 * math.exp(scatter * self._random.standard_normal())  # incipient: touches, repels
        else:
            self._bridge_limit = 130.0 * math.exp(scatter * self._random.standard_normal())

    def _draw_drop_limit(self) -> None:
        self._drop_limit = math.exp(0.12 * self._noise.droplets * self._random.standard_normal())

    def _free_diameter(self, current: float) -> float:
        """Largest drop that hangs at this current, m."""
        ratio = self._transition_a / max(current, 40.0)
        wide = min(2.3, 1.05 * ratio**1.5) if self._sprays else min(2.3, max(1.5, 1.5 * ratio))
        return self._diameter * max(wide, _LEAST_DROP)


_OPEN, _ARC, _SHORT = 0, 1, 2
_LIGHT = (Filler.ALUMINIUM_SILICON, Filler.ALUMINIUM_MAGNESIUM, Filler.MAGNESIUM)
