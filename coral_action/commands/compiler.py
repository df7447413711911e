"""`coral-quantize compiler`: getting the Edge TPU compiler."""

from __future__ import annotations

import click


@click.group()
def compiler() -> None:
    """Get the Edge TPU compiler, or say where it is."""


@compiler.command()
@click.option("--accept-terms", is_flag=True, help="You accept the terms that Google sets for it.")
@click.option("--url", "urls", multiple=True, help="Where to get it, in place of the known places.")
@click.option("--sha256", metavar="HEX", help="What the download must have; needed with --url.")
def install(accept_terms: bool, urls: tuple[str, ...], sha256: str | None) -> None:
    """Download the compiler into a private folder, checked and unpacked without root.

    Its terms forbid passing it on: keep it out of images, caches and releases that others get.

    Example: coral-quantize compiler install --accept-terms --sha256 HEX
    """
    import os

    from coral_action.edgetpu.install import install as fetch

    path = fetch(os.environ, accept_terms=accept_terms, urls=urls, sha256=sha256)
    click.echo(str(path))


@compiler.command()
@click.option("--compiler", "wanted", metavar="PATH", help="Look at this one.")
def which(wanted: str | None) -> None:
    """Print which compiler would be used, and its version.

    Example: coral-quantize compiler which
    """
    import os

    from coral_action.edgetpu import compiler_version, find_compiler

    path = find_compiler(wanted, os.environ)
    click.echo("none" if path is None else f"{path}\n{compiler_version(path)}")
