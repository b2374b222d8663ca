"""From network outputs to decisions: calibration, smoothing, anomaly events, and the pipeline that joins them."""
