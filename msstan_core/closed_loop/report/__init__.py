"""What is written about welds that are done: figures over seeds, the sections and pictures of docs/closed_loop.md.

Apart from the loop itself, because nothing here decides how a weld goes: kept welds stay valid when it changes.
"""
