"""From a tick to the network's input arrays. The same code for training, replay and the live monitor."""
