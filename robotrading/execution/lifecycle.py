"""The law of a ticket: which status may follow which."""
