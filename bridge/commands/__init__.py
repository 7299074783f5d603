"""The verbs of the command line, one module each.

A verb is one module here and one line in ``bridge.cli.VERBS``. The module has
``add_parser(subparsers)``, which calls ``parsing.add_verb``, and ``run(args) -> int``, the exit
code. Its import has to be cheap: what reads files or loads libraries is imported inside ``run``.
Errors are raised as ``BridgeError``; ``bridge.cli`` prints them.
"""
