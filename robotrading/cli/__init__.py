"""The command line: one module per command group; parse, call one function, map an error to an exit code."""
