"""From network outputs to decisions: probabilities, smoothing, anomaly events, and the pipeline that joins them."""
