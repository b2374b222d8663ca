"""The loop from monitor to weld, closed on the simulated cell: what advice is worth, and that it stays in bounds."""
