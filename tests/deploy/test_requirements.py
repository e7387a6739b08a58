"""No two of the files that are installed together may pin one package differently: pip refuses them all then.

The tests' tools are installed beside either library of the broker.
"""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def pins(name: str) -> dict[tuple[str, str], str]:
    """The version of each package, by its name and the machine it is meant for."""
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    wanted = [Requirement(line) for line in lines if line]
    return {(each.name.lower(), str(each.marker or "")): str(each.specifier) for each in wanted}


@pytest.mark.parametrize("runtime", ["requirements.txt", "requirements-async.txt"])
def test_the_tools_pin_nothing_that_the_program_pins_differently(runtime: str) -> None:
    program, tools = pins(runtime), pins("requirements-dev.txt")
    both = {package for package in program.keys() & tools.keys() if program[package] != tools[package]}
    assert not both, f"{runtime} and requirements-dev.txt pin differently: {sorted(both)}; run make lock"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-async.txt", "requirements-dev.txt"])
def test_every_package_has_one_exact_version(name: str) -> None:
    assert all(version.startswith("==") for version in pins(name).values())
