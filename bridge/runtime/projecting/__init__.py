"""Projections in the running bridge: their threads, and where they begin."""
