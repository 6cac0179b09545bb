"""``sould convert-soul``: souls of the original engine made ours, and written for it again.

A process of its own, since it needs numpy and reads what may be hostile; JSON lines, as
``sould verify`` has them. Only a native body of the rule ``reconstruct`` has souls of both kinds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.wire import Empty
from sould.bodystore import show
from sould.bodystore.scan import resolve
from sould.config import load
from sould.engine.bodyfile import BodyFile, open_body
from sould.errors import SouldError, SoulMismatch
from sould.soulfile.meta import Dims, SoulMeta
from sould.soulfile.original import OriginalSoul, read_original, write_original
from sould.soulfile.record import SoulRecord, read, write


def adopt(
    soul: OriginalSoul, body: BodyFile, *, name: str, body_name: str, fingerprint: str, now: str
) -> SoulRecord:
    """Return a soul of the original engine as one of ours, for a body whose sizes it has.

    That is all that can be told: the file does not say which body it was grown on.

    Raises:
        SoulMismatch: the body has other sizes, or no such states.
    """
    spec = body.spec
    fits = spec.ttt is not None and spec.ttt.rule == "reconstruct"
    sizes, its = (spec.d_model, spec.n_layers), (soul.hidden_dim, soul.n_layers)
    if not fits or sizes != its:
        raise SoulMismatch(
            f"the soul of the original engine is for a body of width {its[0]} and {its[1]} layers; "
            f"{body_name} is a {spec.family} body of width {sizes[0]} and {sizes[1]} layers",
            "load the body that it was grown on, one of the original engine",
        )
    meta = SoulMeta(
        name=name,
        created=now,
        saved=now,
        body=fingerprint,
        body_name=body_name,
        family=spec.family,
        dims=Dims(
            n_layers=spec.n_layers,
            d_model=spec.d_model,
            d_ff=spec.d_ff,
            state_rows=spec.head_dim,
            state_cols=spec.head_dim,
        ),
        level=soul.level,
        config={"why": "import", "since": now},
    )
    return SoulRecord(meta, {f"w_state.{i}": state for i, state in enumerate(soul.w_states)})


def main(argv: Sequence[str]) -> int:
    """Run ``sould convert-soul``; returns the exit code: 0, or 1 on an error."""
    parser = argparse.ArgumentParser("sould convert-soul", description="Convert a .soul file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--body", default="", help="make it ours, for this body in models/")
    parser.add_argument("--name", default="", help="what it is called then")
    parser.add_argument("--config", help="config.yaml to use")
    args = parser.parse_args(argv)
    try:
        if args.body:
            _adopt(args)
        else:
            write_original(args.target, read(args.source))
    except (SouldError, SoulError) as e:
        show.write_json("error", show.as_error(e))
        return 1
    show.write_json("done", Empty())
    return 0


def _adopt(args: argparse.Namespace) -> None:
    config = load(find_config(args.config))
    entry = resolve(config.models, args.body)
    body = open_body(Path(entry.path))
    record = adopt(
        read_original(args.source),
        body,
        name=args.name or args.source.stem,
        body_name=entry.name,
        fingerprint=body.fingerprint(config.cache_dir),
        now=datetime.now().astimezone().isoformat(timespec="milliseconds"),
    )
    write(args.target, record)
