"""`python -m robotrading` and the `robotrading` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from robotrading.cli.app import main as run  # noqa: PLC0415  nothing heavy before it is needed

    run()


if __name__ == "__main__":
    main()
