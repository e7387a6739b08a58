"""The composition root: the only room that names concrete adapters.

Entry points: `books.Orders` and `runs.carry_out` (what `run`, `plan` and `demo` do), `job.run_job` (what a session
process does), `gateway.embedded_gateway` (the pretend broker), `books.status_of`.
"""
