"""`doctor`: every part that a run needs, what is wrong with it, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, ConfigPath

if TYPE_CHECKING:
    from robotrading.cli.exits import Exit
    from robotrading.wiring.doctor.examine import Diagnosis, Request

Offline = Annotated[
    bool,
    typer.Option(
        "--offline", metavar="", help="Leave out what needs a network: sources, gateway, mail, database, service."
    ),
]
TestMail = Annotated[
    bool, typer.Option("--send-test-mail", metavar="", help="Also send a mail to every recipient. Else none leaves.")
]


def doctor(
    config: ConfigPath = None, offline: Offline = False, test_mail: TestMail = False, as_json: AsJson = False
) -> None:
    """Look at every part that a run needs, and say what is wrong and what to do.

    Program, configuration, disk, memory, clock, calendar, ledger, gateway, prices, mail, service. No order is sent and
    nothing is changed; it takes half a minute at most. Each source of prices is asked once, past the cache.

    Exit code 0 when all is well, 3 when there are warnings only, 4 when something that a run needs is broken.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli.render_doctor import diagnosis_view, waiting  # noqa: PLC0415
    from robotrading.wiring.doctor.examine import Request  # noqa: PLC0415

    request = Request(config, offline, test_mail)
    with waiting(shown=not as_json):
        found = _examined(request)
    code = _exit(found)
    if as_json:
        findings = [
            {"part": one.part, "level": one.level, "found": one.found, "remedy": one.remedy} for one in found.findings
        ]
        seconds = round(found.seconds, 1)
        out.as_json(
            {"version": 1, "exit_code": int(code), "offline": offline, "seconds": seconds, "findings": findings}
        )
    else:
        out.show(diagnosis_view(found))
    raise typer.Exit(code)


def _examined(request: Request) -> Diagnosis:
    """What the libraries have to say on the way is not for this reader: the findings are."""
    import asyncio  # noqa: PLC0415
    import logging  # noqa: PLC0415

    from robotrading.adapters.clock import SystemClock  # noqa: PLC0415
    from robotrading.wiring.doctor.examine import examine  # noqa: PLC0415

    logging.captureWarnings(capture=True)
    logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()], force=True)
    return asyncio.run(examine(request, SystemClock()))


def _exit(found: Diagnosis) -> Exit:
    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.wiring.doctor.finding import Level  # noqa: PLC0415

    return {Level.BROKEN: Exit.FAILED, Level.WARNING: Exit.PARTLY}.get(found.level, Exit.OK)
