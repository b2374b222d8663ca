"""MS-STAN (He, Jin, Zou 2025, Front. Mater. 12:1560419): one concept a file, each equation named where it is computed.

Data flow of one tick: camera, thermal, acoustic and telemetry branches (8) -> spatial attention (13, 14, 17) ->
modality fusion -> separable causal convolution (43) -> temporal attention over three windows (9, 10, 15, 16, 18) ->
multi-scale fusion (12) -> heads (19, 20, 23).
"""
