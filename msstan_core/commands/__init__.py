"""One module per subcommand of ``msstan``; each has ``register(subparsers)`` and ``run(arguments)``."""
