"""How deep an arc melts, by the parameters of the weld."""

from __future__ import annotations

#: K = 0.0012 of the paper (in, A, in/min, V) in SI units: m (V^2 m / (A^4 s))^(1/3).
_JACKSON_K = 2.3e-6


def arc_penetration_m(current_a: float, voltage_v: float, travel_m_s: float) -> float:
    """Fusion depth in m of a bead under an arc: K (I^4 / (v U^2))^(1/3).

    C. E. Jackson, A. E. Shrubsall, Control of penetration and melting ratio with welding technique, Welding Journal 32
    (1953) 172s-178s.
    """
    return float(_JACKSON_K * (current_a**4 / (travel_m_s * voltage_v**2)) ** (1 / 3))
