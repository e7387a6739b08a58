"""Writes `docs/commands.md` from the commands themselves: every option, exit code and error.

`python -m robotrading.cli.document [FOLDER]` writes below the repository's root. Entry points: `manual`, `commands`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from robotrading.cli.app import app
from robotrading.cli.exits import MEANING, for_error
from robotrading.domain import errors
from robotrading.session.lock import AlreadyRunning
from robotrading.sim.gateway.serve import GatewayError
from robotrading.sim.gateway.state import StateError

FILE = "docs/commands.md"
_INTRO = """\
# Commands

<!-- Written by `python -m robotrading.cli.document`; change robotrading/cli. -->

`./deploy.sh install` makes the environment; the command is then `.venv/bin/robotrading`. Results go to standard output,
progress bars and errors to standard error. Colours and bars appear on a terminal only; `NO_COLOR=1` takes the colours
away. Completion of words with the Tab key: `robotrading --install-completion`.

"""
_JSON = """\
## JSON

`demo`, `plan` and `run` with `--json` print one object:

| key | value |
|---|---|
| `version` | 1; a change that breaks readers raises it |
| `exit_code` | the command's exit code |
| `folders` | run id: folder of the run's files |
| `notes` | lines for the person, e.g. about mail |
| `reports` | one object per session, below |

A report:

| key | value |
|---|---|
| `run_id`, `kind`, `mode`, `trading_date` | which run, of which session, in which book, for which day |
| `started_at`, `finished_at` | when |
| `outcome`, `verdict` | `done`, `nothing_to_do`, `partly` or `failed`; the same in a sentence |
| `steps` | each step with `name`, `seconds`, `error`, and in `skips` what it left out |
| `notes` | lines for the person |
| `sources` | who served each price series, and its last day |
| `signals`, `targets` | what the models believe, and the weights that follow |
| `plan` | `plan_id`, `intents`, `refusals` and more; null when it was not reached |
| `tickets` | each order: its `intent`, `status` and `fills` |
| `owned`, `protected`, `account` | what the bot owns, what it leaves alone, the account as the broker told it |
| `currency` | of all amounts |
| `trade` | false of a mere plan, which counts as no run of its session |

`status --json` prints one object:

| key | value |
|---|---|
| `mode`, `ledger` | which book, and its file |
| `halted` | why trading is halted, or empty |
| `runs` | reports as above, newest first |
| `owned` | what the bot owns |
| `open_tickets` | orders without a known end |
| `lease` | the right of the copy that trades the account just now (holder, number, end); null while none does |
| `blocked` | symbol: why nothing is ordered in it |
| `day_stops` | why nothing is bought on the newest day, empty while nothing forbids it |
| `next_runs` | of the sessions that are enabled: schedule, and when the service runs them next |
| `alerts` | open ones, oldest first ([alerts.md](alerts.md)): key, rule, urgency, words, when raised, seen and told |

`resolve --json` prints a list of orders without a known end (with an id and a word: the order as it is then). Each has
its `ticket`, `sent_at`, and of its instrument `owned` (the bot's), `held` (the account's) and `seen_at`. `positions
--json` prints a list with each `position`, and what the account `held` of it, how much of that is `protected`, and
`seen_at`.

`ledger check --json` prints one object:

| key | value |
|---|---|
| `mode`, `ledger` | which book, and where its ledger is |
| `findings` | what does not hold: `what` (the rule), `subject`, `detail`; empty when all is well |

`selftest --json` prints one object:

| key | value |
|---|---|
| `version`, `exit_code`, `seconds` | as above; how long all of it took |
| `notes` | what of the configuration was replaced |
| `drills` | one object per drill, below |

A drill:

| key | value |
|---|---|
| `name`, `story`, `holds` | which one, what happens in it, what must come of it |
| `verdict` | `held`, `broke`, or `not reached` where no such order came about |
| `broke` | a sentence for each thing that did not hold |
| `sessions`, `orders`, `seconds` | who took part, how many orders its first run sent, how long it took |
| `folder` | its files; they are there only where it broke or `--keep` was given |

`messages --json` prints a list with one object for each message and address, newest first: `letter_id`, `address` (its
`channel` and `recipient`), `kind`, `urgency`, `subject`, `created_at`, `state` (`waiting`, `sent`, `merged` or
`given_up`), `attempts`, `next_at`, `rule` and `reason` of the last failure, `digest` (the message that tells of it).
`messages test --json` prints a list: `address`, and `reason` and `rule` where it was not taken.

`selftest --list --json` prints a list: `name`, `story`, `holds`.

`summary --json` prints one object:

| key | value |
|---|---|
| `day`, `first`, `mode` | the seven days, from `first` to `day`; which book |
| `account_id`, `paper`, `currency`, `worth`, `worth_at` | the account, its base currency, its last value |
| `week`, `quarter` | the week and the three months, below |
| `runs`, `statuses` | how the week's runs and orders ended |
| `gains`, `unpriced` | what instruments brought in the week, best first; of how many that is not known |
| `flows` | money paid in and out, as inferred in the last three months |
| `curve` | one value of the account a day, three months |
| `benchmark_name`, `benchmark` | its cached closes, with dividends |

`week` and `quarter` have `performance` (return, ratios, deepest loss, daily returns), `costs`, `trips` (positions
closed), `benchmark`, `turnover` and `hit_rate`; what is not known is null.

`doctor --json` prints one object: `version`, `exit_code`, `offline`, `seconds`, and `findings`, a list of `part`,
`level` (`fine`, `left out`, `warning` or `broken`), `found` and `remedy`.

`ledger log --json` prints a list: `at`, `who`, `what`, `subject`, `before`, `after`, newest first.

`config show --json` prints the settings with secrets masked, and in `origins` where each was set.

Amounts, prices and quantities are strings, so that no digit is lost; instants are UTC in ISO 8601. Keys may be added
within a version, so ignore those that you do not know. When a command ends with an error of its own, standard output is
empty and the message is on standard error.

"""
_FILES = """\
## Files of a run

Each mode keeps a book of its own below `state_dir` (default `state`): `books/demo`, `books/rehearsal`,
`books/embedded`, `books/paper-ACCOUNT`, `books/live-ACCOUNT`. A book has its ledger, and `runs/RUN_ID/` with the files
of each run: `job.json` (what was asked), `log.txt`, `report.json`, and the readable reports.
"""


def manual() -> str:
    """The whole of `docs/commands.md`."""
    sections = [line for name, command in commands() for line in _section(name, command)]
    return _INTRO + "\n".join([*sections, *_exits(), *_errors()]) + "\n" + _JSON + _FILES


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden, as typed (`robotrading config check`), with what Typer knows of it."""
    yield from _below("robotrading", get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _below(f"{name} {word}", inner)


def _section(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    if inner := getattr(command, "commands", {}):
        yield "Commands: " + ", ".join(f"`{word}`" for word, one in inner.items() if not one.hidden) + ".\n"
    yield "| argument or option | meaning |"
    yield "|---|---|"
    for parameter in command.params:
        yield f"| {_spelling(parameter)} | {_meaning(parameter)} |"
    yield "| `--help`, `-h` | Show the help and exit. |\n"


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name}`"
    value = f" {parameter.metavar}" if parameter.metavar else ""
    return ", ".join(f"`{word}{value}`" for word in [*parameter.opts, *parameter.secondary_opts])


def _meaning(parameter: Any) -> str:
    parts = [parameter.help or ""]
    default = getattr(parameter.default, "value", parameter.default)
    if parameter.show_default and default not in (None, "", False):
        parts.append(f"Default: {'on' if default is True else default}.")
    if parameter.envvar:
        parts.append(f"Environment: `{parameter.envvar}`.")
    return " ".join(parts).replace("|", "\\|")


def _exits() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "The same for every command; the worst of several sessions decides.\n"
    yield "| code | meaning |"
    yield "|---|---|"
    yield from (f"| {int(code)} | {meaning} |" for code, meaning in MEANING.items())
    yield ""


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "An error that ends a command is one message on standard error. One that ends a session is in its report.\n"
    yield "| error | exit code | meaning |"
    yield "|---|---|---|"
    for error in error_classes():
        said = inspect.getdoc(error) or ""
        yield f"| `{error.__name__}` | {int(for_error(_blank(error)))} | {said.splitlines()[0]} |"
    yield ""


def error_classes() -> tuple[type[errors.RobotradingError], ...]:
    """The errors of the domain in the order of their tree, and those of locks and of the embedded gateway."""
    domain = tuple(
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.RobotradingError)
    )
    return (*domain, AlreadyRunning, GatewayError, StateError)


def _blank(error: type[errors.RobotradingError]) -> errors.RobotradingError:
    return error.__new__(error)


def main(arguments: list[str]) -> None:
    """Write the file below the folder named, or below the repository's root."""
    root = Path(arguments[0]) if arguments else Path(__file__).parents[2]
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(manual(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
