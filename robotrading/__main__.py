"""`python -m robotrading` and the `robotrading` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line, as a process: what it writes is for its user alone (money, positions, mail)."""
    import os  # noqa: PLC0415
    import sys  # noqa: PLC0415

    try:
        from robotrading.cli.app import main as run  # noqa: PLC0415  nothing heavy before it is needed
    except KeyboardInterrupt:  # the modules take a while to load on a busy machine
        sys.stderr.write("robotrading: interrupted\n")
        raise SystemExit(130) from None
    os.umask(0o077)
    run()


if __name__ == "__main__":
    main()
