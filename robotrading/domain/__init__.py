"""The words of the house: frozen values that every other package speaks in.

Nothing here reads a clock, a file or a socket. Money and quantities are `Decimal`, beliefs are `float`,
instants are aware UTC datetimes, trading days are plain dates.
"""
