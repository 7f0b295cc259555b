"""`race serve`: the fake agent server on a real port, for any client."""

from typing import Annotated

import typer

from race_harness.model.schedule import Schedule


def serve(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port on 127.0.0.1.")] = 8_000,
    server_version: Annotated[
        str, typer.Option(help="The release that the fake server plays.")
    ] = "1.58.0",
) -> None:
    """Serve the fake agent server on 127.0.0.1 and print what happens on it."""
    from race_harness.server.fake.standalone import serve as serve_forever

    serve_forever(Schedule("serve"), port=port, version=server_version)
