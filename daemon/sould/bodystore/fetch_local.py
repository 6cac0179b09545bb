"""Bodies from this machine's own disk: copied, never linked, so that the original may go."""

from __future__ import annotations

import filecmp
from pathlib import Path

from sould.bodystore.progress import Meter, OnProgress
from sould.bodystore.scan import CONFIG, SUFFIXES
from sould.bodystore.selection import INDEX, choose_files, refuse_pickle
from sould.bodystore.staging import Stage
from sould.engine.bodyfile import open_body
from sould.errors import PullFailed

_COPY_BYTES = 4 * 1024 * 1024
_CACHED = "models--"


class LocalFetcher:
    """Copies a folder, or one file with what belongs to it.

    A bare ``.safetensors`` that lies beside a ``config.json`` becomes a folder body, since its
    sidecars come along. A folder of the Hugging Face cache (``models--org--name``) stands for
    its snapshot.
    """

    licence = ""

    def __init__(self, path: Path) -> None:
        self.path = snapshot_of(path.absolute())
        self.label = str(self.path)
        self.name = name_of(self.path)

    def is_already(self, body: Path, known_source: str) -> bool:
        """Tell whether ``body`` holds the same bytes."""
        files = self._files()
        if body.is_dir() != (list(files) != [""]):
            return False
        pairs = [(source, body / name) for name, source in files.items()]
        return all(
            copy.is_file()
            and copy.stat().st_size == source.stat().st_size
            and filecmp.cmp(source, copy, shallow=False)
            for source, copy in pairs
        )

    def fetch(self, stage: Stage, on_progress: OnProgress) -> Path:
        """Copy the body into the stage and return it there.

        Raises:
            PullFailed: not a body, or pickled weights.
            BodyInvalid: what ``open_body`` finds wrong with the original.
        """
        files = self._files()
        if self.path.suffix == ".gguf":  # of the others, links that lead outside are no fault here
            open_body(self.path)
        stage.discard()  # a copy is quicker made again than compared
        stage.begin(self.label)
        total = sum(path.stat().st_size for path in files.values())
        stage.require_space(total)
        meter = Meter(on_progress, "downloading", total, f"copying {self.path}")
        leaf = Path(stage.name).name
        for name, source in files.items():
            target = stage.files / leaf / name if name else stage.files / (leaf + source.suffix)
            target.parent.mkdir(exist_ok=True)
            copy_file(source, target, meter)
        return target.parent if name else target

    def _files(self) -> dict[str, Path]:
        """Return what belongs to the body: name in it -> path; ``""`` for a body of one file."""
        if self.path.is_dir():
            return self._folder_files(self.path, None)
        if self.path.suffix not in SUFFIXES:
            refuse_pickle(str(self.path), [self.path.name])
            raise PullFailed(
                f"{self.path} is no body: expected a folder or one of {', '.join(SUFFIXES)}"
            )
        if self.path.suffix == ".safetensors" and (self.path.parent / CONFIG).is_file():
            return self._folder_files(self.path.parent, self.path)
        return {"": self.path}

    def _folder_files(self, folder: Path, alone: Path | None) -> dict[str, Path]:
        """Return what to take of a folder; ``alone``: these weights and no others."""
        files = {path.name: path for path in folder.iterdir() if path.is_file()}
        if alone:
            files = {n: p for n, p in files.items() if n != INDEX and p.suffix != alone.suffix}
            files["model.safetensors"] = alone
        chosen = choose_files(str(folder), files, lambda name: files[name].read_bytes())
        return {name: files[name] for name in chosen}


def snapshot_of(path: Path) -> Path:
    """Return the snapshot a folder of the Hugging Face cache stands for: that of its branch
    main, or the only one. Any other path stands for itself.

    Raises:
        PullFailed: there are several, and main is none of them.
    """
    snapshots = path / "snapshots"
    if not path.name.startswith(_CACHED) or not snapshots.is_dir():
        return path
    main = path / "refs" / "main"
    if main.is_file() and (chosen := snapshots / main.read_text("utf-8").strip()).is_dir():
        return chosen
    found = sorted(one for one in snapshots.iterdir() if one.is_dir())
    if len(found) != 1:
        raise PullFailed(
            f"{path} holds {len(found)} snapshots",
            f"take one of them, as {found[0]}" if found else "",
        )
    return found[0]


def name_of(path: Path) -> str:
    """Return what to call a body: the name of its file or folder, or of its repository where
    the folder is a snapshot named after a commit.
    """
    repository = path.parent.parent
    if path.parent.name == "snapshots" and repository.name.startswith(_CACHED):
        return repository.name.rpartition("--")[2]
    return path.name if path.is_dir() else path.stem


def copy_file(source: Path, target: Path, meter: Meter) -> None:
    """Copy the bytes of one file, counting them."""
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_COPY_BYTES):
            writer.write(chunk)
            meter.add(len(chunk))
