"""A failing story, made short: whatever it fails without is left out.

Entry point: `shrink`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from robotrading.wiring.drills.play import Outcome, play
from robotrading.wiring.drills.story import Episode, Life, Story
from robotrading.wiring.drills.world import Desk


def shrink(story: Story, plays: Callable[[Story, Desk], Outcome] = play) -> tuple[Story, Outcome]:
    """The shortest story found, one step at a time, that still breaks a promise of the same number, and its outcome.

    ValueError for a story that breaks none.
    """
    with closing(Desk()) as desk:
        best = plays(story, desk)
        if not best.breach:
            raise ValueError(f"the story of seed {story.seed} breaks no promise; there is nothing to shrink")
        promise = _promise(best)
        while True:
            for candidate in _smaller(story):
                outcome = plays(candidate, desk)
                if outcome.breach and _promise(outcome) == promise:
                    story, best = candidate, outcome
                    break
            else:
                return story, best


def _promise(outcome: Outcome) -> str:
    """Which promise was broken: `invariant 3`, or the first word of an accident."""
    _, found, rest = outcome.breach.partition("invariant ")
    return found + rest[:1]


def _smaller(story: Story) -> Iterator[Story]:
    """Without one episode, one life, one fault, one end of a process."""
    for number, episode in enumerate(story.episodes):
        before, after = story.episodes[:number], story.episodes[number + 1 :]
        yield replace(story, episodes=(*before, *after))
        for simpler in _simpler(episode):
            yield replace(story, episodes=(*before, simpler, *after))


def _simpler(episode: Episode) -> Iterator[Episode]:
    for number in range(len(episode.meanwhile)):
        yield replace(episode, meanwhile=episode.meanwhile[:number] + episode.meanwhile[number + 1 :])
    for number, life in enumerate(episode.lives):
        for simpler in _quieter(life):
            yield replace(episode, lives=(*episode.lives[:number], simpler, *episode.lives[number + 1 :]))


def _quieter(life: Life) -> Iterator[Life]:
    if life.kill is not None:
        yield replace(life, kill=None)
    for number in range(len(life.faults.faults)):
        faults = life.faults.faults[:number] + life.faults.faults[number + 1 :]
        yield replace(life, faults=replace(life.faults, faults=faults))
