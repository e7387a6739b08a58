"""`python -m robotrading` and the `robotrading` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line, as a process: what it writes is for its user alone (money, positions, mail)."""
    import os  # noqa: PLC0415

    from robotrading.cli.app import main as run  # noqa: PLC0415  nothing heavy before it is needed

    os.umask(0o077)
    run()


if __name__ == "__main__":
    main()
