"""`gateway`: the pretend broker by itself, for practising with any TWS client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robotrading.cli.options import AlwaysOpen, ClockDay, GatewayMemory, Host, Port, Seed
from robotrading.cli.out import write

if TYPE_CHECKING:
    from robotrading.sim.gateway.server import GatewayServer


def gateway(  # noqa: PLR0913, PLR0917  one parameter per option
    port: Port = 4002,
    host: Host = "127.0.0.1",
    state: GatewayMemory = None,
    seed: Seed = 7,
    as_of: ClockDay = None,
    always_open: AlwaysOpen = False,
) -> None:
    """Serve a made-up market over the real TWS socket protocol, until interrupted.

    ib_insync, ib_async and other TWS clients connect as they would to IB Gateway.
    No account is needed, and nothing is ever sent to a broker.
    """
    import asyncio  # noqa: PLC0415
    from contextlib import nullcontext  # noqa: PLC0415

    from robotrading.adapters.calendar import ExchangeCalendar  # noqa: PLC0415
    from robotrading.sim.gateway.sample import sample_gateway  # noqa: PLC0415
    from robotrading.sim.gateway.state import StateFile  # noqa: PLC0415
    from robotrading.wiring.books import clock_for  # noqa: PLC0415

    calendar = ExchangeCalendar()
    clock = clock_for(as_of.date() if as_of else None, calendar)
    with StateFile(state) if state else nullcontext() as memory:
        server = sample_gateway(clock, calendar, seed, memory, always_open=always_open)
        asyncio.run(_serve(server, host, port))


async def _serve(server: GatewayServer, host: str, port: int) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from robotrading.sim.gateway.serve import serve_until  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(bound: int) -> None:
        account, market = server.exchange.account_ids[0], server.settings.market_name
        write(
            f"Gateway on {host}:{bound}, account {account}, market: {market}.\n"
            f"Connect any TWS client, e.g. IB().connect('{host}', {bound}, clientId=1). Ctrl-C stops it."
        )

    await serve_until(server, host, port, ready=ready, stop=stop)
