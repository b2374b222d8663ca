"""The live system: nodes that convert, schedule and publish around ``msstan_core``, and what starts them."""
