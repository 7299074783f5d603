"""Storages of events that live in files, or on servers reached by their own clients."""
