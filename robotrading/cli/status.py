"""`status`: what is known without asking anybody."""

from __future__ import annotations

from dataclasses import replace

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, OfDemo


def status(config: ConfigPath = None, as_of: AsOfBook = None, demo: OfDemo = False, as_json: AsJson = False) -> None:
    """Show the last runs, what the bot owns, and which orders have no known end.

    Answers from the ledger of the configured mode and the calendar alone; nothing is asked of the broker.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.wiring.books import Orders, load_config, status_of  # noqa: PLC0415

    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    found = status_of(orders)
    if orders.day is None:
        from robotrading.adapters.clock import SystemClock  # noqa: PLC0415
        from robotrading.wiring.timetable import next_runs  # noqa: PLC0415

        found = replace(found, next_runs=next_runs(load_config(orders), SystemClock().now()))
    if as_json:
        out.as_json(found)
        return
    from robotrading.cli.place import same_place, without_file  # noqa: PLC0415
    from robotrading.cli.render_status import status_view  # noqa: PLC0415

    again = same_place(orders)
    try_this = "robotrading demo" if demo else f"robotrading plan all{again}"
    if note := without_file(orders).strip():
        out.write(note)
    out.show(status_view(found, try_this, again))
