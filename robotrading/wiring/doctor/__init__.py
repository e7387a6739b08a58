"""Everything that a run needs, looked at before it is needed: what is found, and what to do where something is wrong.

Entry points: `examine.examine` (all checks, side by side), `finding.Finding`. One module per group of checks; each is a
small function that is given what it looks at, and none changes anything that a run relies on.
"""
