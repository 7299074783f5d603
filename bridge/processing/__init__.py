"""Stream processing: windows, aggregates, joins and patterns over keyed events in event time.

A library of its own: no connection, no thread, no clock and no file. ``docs/processing.md`` says
what it means and shows how to use it.
"""
