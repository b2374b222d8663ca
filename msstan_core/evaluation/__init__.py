"""How good a model is: figures from replays of annotated bags, and pictures of them."""
