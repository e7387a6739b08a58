"""The fault drills on a person's own configuration: real session processes, the real wire, a pretend account.

`drills` says what happens, `settings` what of the configuration is replaced, `command` plays one run in a process of
its own, `play` puts runs together to drills, `checks` judges.
"""
