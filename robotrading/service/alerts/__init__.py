"""Alerts: rules over what is known, raised once, reminded rarely, resolved with a word."""
