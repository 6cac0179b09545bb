"""Say what a body is, from its files: nothing is loaded, torch is not imported.

What takes long, the fingerprint of all the weights, is kept in ``cache_dir`` by the sizes and
times of the files; everything else is read from the headers each time (some 30 ms).
As a program (``sould inspect``) it writes JSON lines, as ``sould pull`` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.wire import BodyInfo, Progress
from sould.bodystore import receipts, show
from sould.bodystore.scan import resolve, scan
from sould.config import Config, load, parse_size
from sould.engine.bodyfile import open_body
from sould.engine.memory import Dtype, estimate
from sould.errors import SouldError


def inspect(
    path: Path,
    *,
    name: str,
    cache_dir: Path,
    context_tokens: int | None = None,
    dtype: Dtype = "auto",
    parallel: int = 4,
    budget_bytes: int | None = None,
    licence: str = "",
) -> BodyInfo:
    """Describe the body at ``path``; the options are those it would be loaded with.

    ``licence`` is what is known from elsewhere, for files that do not say.

    Raises:
        BodyInvalid: names the file and what is wrong with it.
    """
    body = open_body(path)
    return BodyInfo(
        name=name,
        path=str(path),
        format=body.format,
        family=body.family,
        fingerprint=body.fingerprint(cache_dir),
        parameters=body.parameters,
        size_bytes=body.size_bytes,
        quantisation=body.quantisation,
        layers=body.spec.n_layers,
        hidden=body.spec.d_model,
        vocabulary=body.spec.vocab_size,
        context_max=body.spec.context_max,
        chat_template=body.chat_template is not None,
        memory=estimate(
            body,
            context_tokens=context_tokens,
            dtype=dtype,
            parallel=parallel,
            budget_bytes=budget_bytes,
        ),
        licence=body.licence or licence,
    )


def main(argv: Sequence[str]) -> int:
    """Run ``sould inspect``; returns the exit code: 0, or 1 on an error."""
    parser = argparse.ArgumentParser("sould inspect", description="Say what a body is.")
    parser.add_argument("body", help="its name in models/, or a path")
    parser.add_argument("--config", help="config.yaml to use")
    args = parser.parse_args(argv)
    try:
        info = _inspect_named(args.body, load(find_config(args.config)))
    except (SouldError, SoulError) as e:
        show.write_json("error", show.as_error(e))
        return 1
    show.write_json("done", info)
    return 0


def _inspect_named(named: str, config: Config) -> BodyInfo:
    path = Path(named).absolute()
    if not path.exists():
        path = Path(resolve(config.models, named).path)
    name = next((e.name for e in scan(config.models) if e.path == str(path)), path.stem)
    receipt = receipts.read(config.models, name, path)
    show.write_json("progress", Progress(stage="checking", note=name))
    options = config.body
    return inspect(
        path,
        name=name,
        cache_dir=config.cache_dir,
        context_tokens=None if options.context_tokens == "auto" else options.context_tokens,
        dtype=options.dtype,
        parallel=options.parallel,
        budget_bytes=parse_size(options.memory_budget),
        licence=receipt.licence if receipt else "",
    )
