"""`genzoo serve`: models over HTTP."""

import re
from pathlib import Path
from typing import Annotated

import typer

from serving.bundle.records import NAME_PATTERN
from serving.commands.marking import marks_of
from serving.commands.shared import (
    Certificate,
    CertificateKey,
    Device,
    FilterNames,
    Mark,
    Spinning,
    Threads,
    Variant,
)
from serving.errors import GenzooError, UsageError
from serving.terminal import show

app = typer.Typer(add_completion=False, rich_markup_mode=None)
NAME = re.compile(NAME_PATTERN)
LOCAL = ("127.0.0.1", "::1", "localhost")


@app.command(epilog="Example: genzoo serve cgan-mnist gpt-shakespeare ./bundles/mine --port 8000")
def serve(
    models: Annotated[
        list[str], typer.Argument(metavar="NAME_OR_DIR...", help="Models' names, or bundles.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    prefix: Annotated[str, typer.Option(help="A path that it answers under as well.")] = "",
    device: Device = "auto",
    variant: Variant = "auto",
    threads: Threads = None,
    spinning: Spinning = False,
    rows: Annotated[int, typer.Option(min=1, help="Images or texts of one request.")] = 1024,
    requests: Annotated[int, typer.Option(min=1, help="Requests here at once.")] = 256,
    per_model: Annotated[
        int, typer.Option(min=1, help="The same, of one model that writes no texts.")
    ] = 128,
    per_client: Annotated[
        int | None, typer.Option(min=1, help="The same, of one key or address; no bound if none.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a request may take.")] = 300,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that requests have left when it must stop.")
    ] = 10,
    keys: Annotated[
        Path | None, typer.Option(help="Ask for an API key of this file, see `genzoo keys`.")
    ] = None,
    open_metrics: Annotated[
        bool, typer.Option("--open-metrics", help="/metrics needs no key.")
    ] = False,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="Speak TLS: the certificate and its chain, a PEM file.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, a PEM file.")] = None,
    model_control: Annotated[
        bool,
        typer.Option("--model-control", help="Clients may load and unload models, as in Triton."),
    ] = False,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="An adapter of one of the models, by the name that requests give; repeatable.",
        ),
    ] = None,
    filters: FilterNames = None,
    mark: Mark = True,
    c2pa_certificate: Certificate = None,
    c2pa_key: CertificateKey = None,
) -> None:
    """Serve models over HTTP: Open Inference Protocol, OpenAI's API, and every declared call."""
    try:
        from serving.filters.filters import Filters
        from serving.server.application import Server
        from serving.server.limits import Limits
        from serving.server.logs import write_logs
        from serving.server.operations.certificates import certificate_of
        from serving.server.repository import Repository
        from serving.server.running import run
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise GenzooError(f"this needs {package}: pip install 'genzoo[server]'") from None

    options = {"device": device, "variant": variant, "threads": threads, "spinning": spinning}
    named = filters or []
    Filters(named)  # what is wrong with one shows before the models are loaded
    limits = Limits(
        rows=rows,
        requests=requests,
        requests_of_model=per_model,
        requests_of_one=per_client,
        seconds=timeout,
        closing_seconds=grace,
    )
    marks = marks_of({"mark": mark, "c2pa_certificate": c2pa_certificate, "c2pa_key": c2pa_key})
    certificate = certificate_of(tls_certificate, tls_key)
    server = Server(
        Repository(models, _named(adapter or []), filters=named, **options),
        limits,
        prefix,
        keys=keys,
        open_metrics=open_metrics,
        model_control=model_control,
        marks=marks,
    )
    if host not in LOCAL and keys is None:
        show(f"anybody who reaches {host} can ask these models; give --keys, or put a proxy before")
    if host not in LOCAL and keys is not None and certificate is None:
        show("keys travel unencrypted; give --tls-certificate and --tls-key, or put a proxy before")
    write_logs()
    run(server, host, port, certificate)


def _named(adapters: list[str]) -> dict[str, Path]:
    """Return folders of adapters by their names."""
    found = {}
    for each in adapters:
        name, given, place = each.partition("=")
        if not (given and NAME.fullmatch(name) and place):
            raise UsageError(f"--adapter is '{each:.80}'; expected NAME=DIR, such as poems=./poems")
        if name in found:
            raise UsageError(f"two adapters are called '{name}'; give one another name")
        found[name] = Path(place)
    return found
