"""What training minimises: one concept a file, each term by its equation, all joined by ``total`` (32)."""
