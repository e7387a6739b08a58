"""Deterministic simulation: whole stories of sessions in a pretend world, each checked against the invariants.

Entry points: `story.story_for` (a seed becomes a story), `play.play` (a story becomes what happened), `invariants`
(what must hold of it), `simulate.simulate` (thousands of seeds), `shrink.shrink` (a failing story, made short).
"""
