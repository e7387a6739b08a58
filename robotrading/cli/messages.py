"""`robotrading messages`: what waits to be told and what was told; send it, try it again, test the ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from robotrading.service.post.postman import Round
    from robotrading.wiring.books import Orders

app = typer.Typer(
    invoke_without_command=True,
    help="What waits to be told and what was told. Without a further word: the newest, newest first.",
)

LetterId = Annotated[
    str, typer.Argument(metavar="LETTER", help="A message's id as listed, or a part of it that no other has.")
]
Unsent = Annotated[bool, typer.Option("--unsent", "-u", metavar="", help="Only what waits or was given up.")]
Most = Annotated[int, typer.Option("--lines", "-n", min=1, metavar="NUMBER", help="How many of the newest messages.")]
Mail = Annotated[bool, typer.Option("--mail", metavar="", help="Only mail.")]
Push = Annotated[bool, typer.Option("--push", metavar="", help="Only pushes.")]
Direct = Annotated[bool, typer.Option("--direct", metavar="", help="Letters as JSON lines on standard input.")]


@app.callback()
def messages(  # noqa: PLR0913, PLR0917  one parameter per option
    context: typer.Context,
    unsent: Unsent = False,
    lines: Most = 20,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    as_json: AsJson = False,
) -> None:
    """List messages: when, about what, to whom, and how far they have come."""
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli.render_messages import list_view  # noqa: PLC0415
    from robotrading.wiring.messages import listed  # noqa: PLC0415

    if context.invoked_subcommand is not None:
        return
    found = listed(_orders(config, as_of), lines, unsent=unsent)
    if as_json:
        out.as_json(found)
    elif found:
        out.show(*list_view(found))
    else:
        out.write("No message waits or was given up." if unsent else "There is no message yet.")


@app.command()
def show(letter: LetterId, config: ConfigPath = None, as_of: AsOfBook = None, as_json: AsJson = False) -> None:
    """Show a message and how far it has come."""
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.render_messages import list_view  # noqa: PLC0415
    from robotrading.wiring.messages import shown  # noqa: PLC0415

    found, ways = shown(_orders(config, as_of), letter)
    if as_json:
        out.as_json({"letter": _plain(found), "deliveries": ways})
        return
    out.show(*list_view(ways))
    body = "\n".join(out.printable(line) for line in found.message.text.splitlines())
    out.write(f"\n{out.printable(found.message.subject)}\n\n{body}")


@app.command()
def send(config: ConfigPath = None, as_of: AsOfBook = None) -> None:
    """Try everything that waits now.

    Exit code 3 when something still waits, 4 when something was given up.
    """
    from robotrading.wiring.messages import send_now  # noqa: PLC0415

    _tell(send_now(_orders(config, as_of)))


@app.command()
def retry(letter: LetterId, config: ConfigPath = None, as_of: AsOfBook = None) -> None:
    """Try a message again that was given up or put off.

    Exit codes as of `send`.
    """
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.wiring.messages import retried  # noqa: PLC0415

    letter_id, ways, done = retried(_orders(config, as_of), letter)
    if not ways:
        out.write(out.printable(f"Nothing of {letter_id} waits or was given up."))
    _tell(done)


@app.command("test")
def try_out(mail: Mail = False, push: Push = False, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Send a test message on every channel, to each recipient, and say what became of it.

    Exit code 0 when all were taken, 3 when some were, 4 when none was.
    """
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.domain.messages import Channel  # noqa: PLC0415
    from robotrading.wiring.messages import tested  # noqa: PLC0415

    wanted = [channel for channel, asked in ((Channel.MAIL, mail), (Channel.PUSH, push)) if asked]
    found = tested(_orders(config, None), wanted or list(Channel))
    if as_json:
        out.as_json(found)
    else:
        for one in found:
            said = f"not taken: {one.reason}" if one.reason else "taken by the server"
            out.write(_wrapped(f"{one.address.channel:<4}  {one.address.recipient}: {said}"))
    lost = sum(bool(one.reason) for one in found)
    if lost:
        raise typer.Exit(Exit.FAILED if lost == len(found) else Exit.PARTLY)


def send_messages(direct: Direct = False, config: ConfigPath = None) -> None:
    """Make one round over the outbox (used by `serve`)."""
    import sys  # noqa: PLC0415

    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.wiring import messages  # noqa: PLC0415

    orders = _orders(config, None)
    if not direct:
        notes, went = messages.send_due(orders, _told_to_leave()).lines(), True
    else:
        went, notes = messages.sent_directly(orders, sys.stdin)
    for note in notes:
        typer.echo(note)
    if not went:
        raise typer.Exit(Exit.FAILED)


def _told_to_leave() -> Callable[[], bool]:
    """Whether SIGTERM came: what a server has just taken is still written down, or it would be sent again."""
    from signal import SIGTERM, signal  # noqa: PLC0415
    from threading import Event  # noqa: PLC0415

    told = Event()
    signal(SIGTERM, lambda *_: told.set())
    return told.is_set


def _orders(config: ConfigPath, as_of: datetime | None) -> Orders:
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    return Orders(config, as_of=as_of.date() if as_of else None)


def _plain(letter: object) -> object:
    """Without its files."""
    from dataclasses import replace  # noqa: PLC0415

    from robotrading.domain.messages import Letter  # noqa: PLC0415

    return replace(letter, message=replace(letter.message, attachments=())) if isinstance(letter, Letter) else letter


def _tell(done: Round) -> None:
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.exits import Exit  # noqa: PLC0415

    out.write("\n".join(_wrapped(line) for line in done.lines()) or "Nothing waits.")
    if done.given_up:
        raise typer.Exit(Exit.FAILED)
    if done.put_off:
        raise typer.Exit(Exit.PARTLY)


def _wrapped(line: str) -> str:
    from textwrap import fill  # noqa: PLC0415

    from robotrading.cli.out import console, printable  # noqa: PLC0415

    width = min(console().width, 100)
    return fill(printable(line), width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
