"""Bodies from the Hugging Face hub: only the files needed, resumed where they broke off.

``huggingface_hub`` finds the repository, its files and their hashes, and knows the user's
token. The bytes are fetched here, through its HTTP session, because its own downloads start
anew each time; every file is checked against the hash the hub gives before it counts.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, httpx

from sould.bodystore.progress import Meter, OnProgress
from sould.bodystore.receipts import file_key
from sould.bodystore.selection import choose_files
from sould.bodystore.staging import Stage
from sould.errors import PullFailed

_TRIES = 5  # in a row without a single new byte
_WAIT_S = 1.0
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 256 * 1024
_MAX_INDEX_BYTES = 16 * 1024 * 1024
_AGAIN = (408, 429, 500, 502, 503, 504)

_HubFaults = (httpx.HTTPError, OfflineModeIsEnabled, HFValidationError)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of a repository; ``sha256`` is "" unless the hub keeps it as a large file."""

    name: str
    size_bytes: int
    sha256: str
    git_sha1: str


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What the hub says of a repository at one commit."""

    repo: str
    commit: str
    licence: str
    files: Mapping[str, RemoteFile]


class HubFetcher:
    """Fetches a repository as a folder body, or one ``.gguf`` file of it."""

    def __init__(self, repo: str, *, revision: str = "", file: str = "") -> None:
        self.repo = repo
        self.revision = revision
        self.file = file
        self.label = f"hf:{repo}{f'@{revision}' if revision else ''}{f'/{file}' if file else ''}"
        self.name = Path(file).stem if file else repo.split("/")[1]
        self.licence = ""

    def is_already(self, body: Path, known_source: str) -> bool:
        """Tell by its receipt whether ``body`` came from here; later commits are not asked for."""
        return known_source == self.label

    def fetch(self, stage: Stage, on_progress: OnProgress) -> Path:
        """Download the files and return the body.

        Raises:
            PullFailed: not found, gated, not a body, no network, or damaged on the way.
        """
        try:
            return self._fetch(stage, on_progress)
        except _HubFaults as e:
            raise self._explain(e) from e

    def _fetch(self, stage: Stage, on_progress: OnProgress) -> Path:
        found = look_up(self.repo, self.revision)
        self.licence = self.licence or found.licence
        stage.begin(f"{self.label} {found.commit}")
        leaf = Path(stage.name).name
        if self.file:
            names, body = self._one_file(found), stage.files / f"{leaf}.gguf"
            targets = {self.file: body}
        else:
            names = self._folder(found, stage)
            body = stage.files / leaf
            targets = {name: body / name for name in names}
        files = [found.files[name] for name in names]
        drafts = {file.name: stage.work / file_key(file.name) for file in files}
        kept = sum(_size(targets[f.name]) or _size(drafts[f.name]) for f in files)
        total = sum(file.size_bytes for file in files)
        stage.require_space(total - kept)
        meter = Meter(on_progress, "downloading", total, self.label)
        for file in files:
            targets[file.name].parent.mkdir(exist_ok=True)
            download(found, file, drafts[file.name], targets[file.name], meter)
        return body

    def _one_file(self, found: Repository) -> list[str]:
        if self.file in found.files:
            return [self.file]
        ggufs = sorted(name for name in found.files if name.endswith(".gguf"))
        raise PullFailed(
            f"hf:{self.repo} has no file {self.file}",
            f"it has {', '.join(ggufs[:8])}" if ggufs else "it has no .gguf at all",
        )

    def _folder(self, found: Repository, stage: Stage) -> list[str]:
        def read(name: str) -> bytes:
            if found.files[name].size_bytes > _MAX_INDEX_BYTES:
                raise PullFailed(f"{name} of hf:{self.repo} is over {_MAX_INDEX_BYTES} bytes")
            copy = stage.work / f"{file_key(name)}.read"
            silent = Meter(lambda _: None, "", 0)
            draft = stage.work / file_key(name)
            download(found, found.files[name], draft, copy, silent)
            return copy.read_bytes()

        at_top = [name for name in found.files if re.fullmatch(r"[^./\\][^/\\]*", name)]
        return choose_files(f"hf:{self.repo}", at_top, read)

    def _explain(self, e: Exception) -> PullFailed:
        where = f"hf:{self.repo}"
        if isinstance(e, GatedRepoError):
            return PullFailed(
                f"{where} is gated: its owner wants to know who fetches it",
                "accept its licence on the model's page, then log in with 'hf auth login'",
            )
        if isinstance(e, RepositoryNotFoundError | HFValidationError):
            return PullFailed(
                f"{where} is not on the hub, or it is private",
                "check the spelling; for a private one log in with 'hf auth login'",
            )
        if isinstance(e, RevisionNotFoundError):
            return PullFailed(f"{where} has no revision {self.revision!r}")
        if isinstance(e, HfHubHTTPError):
            return PullFailed(f"the hub answered {e.response.status_code} for {where}", "try later")
        if isinstance(e, OfflineModeIsEnabled):
            return PullFailed(f"{where}: HF_HUB_OFFLINE is set", "unset it to fetch bodies")
        return PullFailed(
            f"the hub cannot be reached for {where}: {e or type(e).__name__}",
            "check the network and pull again: it goes on where it stopped",
        )


def look_up(repo: str, revision: str = "") -> Repository:
    """Ask the hub what a repository holds. Raises what ``huggingface_hub`` raises."""
    info = HfApi().model_info(
        repo, revision=revision or None, files_metadata=True, timeout=_TIMEOUT_S
    )
    files = {
        s.rfilename: RemoteFile(
            name=s.rfilename,
            size_bytes=s.lfs.size if s.lfs else s.size or 0,
            sha256=s.lfs.sha256 if s.lfs else "",
            git_sha1=s.blob_id or "",
        )
        for s in info.siblings or []
    }
    licence = info.card_data.get("license") if info.card_data else None
    return Repository(repo=repo, commit=info.sha or "", licence=str(licence or ""), files=files)


def download(source: Repository, file: RemoteFile, draft: Path, target: Path, meter: Meter) -> None:
    """Fetch one file into ``draft``, going on where it broke off; ``target`` is the checked one.

    Raises:
        PullFailed: what arrived is not what the hub announced; the draft is removed.
        httpx.HTTPError: the network or the hub failed; the draft is kept.
    """
    if target.is_file() and is_intact(target, file):
        meter.add(file.size_bytes)
        return
    draft.touch()
    if _size(draft) > file.size_bytes:
        draft.unlink()
    meter.add(_size(draft))
    failures = 0
    while (have := _size(draft)) < file.size_bytes:
        fault = _try_to_continue(source, file, draft, meter)
        failures = 0 if _size(draft) > have else failures + 1
        if failures == _TRIES:
            raise fault or PullFailed(f"the hub sends no more of {file.name} of hf:{source.repo}")
        if fault:
            time.sleep(_WAIT_S)
    if not is_intact(draft, file):
        draft.unlink()
        raise PullFailed(f"{file.name} of hf:{source.repo} arrived damaged", "pull it again")
    draft.replace(target)


def _try_to_continue(
    source: Repository, file: RemoteFile, draft: Path, meter: Meter
) -> httpx.HTTPError | None:
    """Fetch what is missing; return the fault, if it is of the kind that may pass."""
    try:
        _continue(hf_hub_url(source.repo, file.name, revision=source.commit), file, draft, meter)
    except httpx.TransportError as e:
        return e
    except HfHubHTTPError as e:
        if e.response.status_code in _AGAIN:
            return e
        raise
    return None


def _continue(url: str, file: RemoteFile, draft: Path, meter: Meter) -> None:
    """Append to ``draft`` what is missing; a server that ignores ranges makes it start anew."""
    have = _size(draft)
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with (
        draft.open("ab") as opened,
        get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as response,
    ):
        hf_raise_for_status(response)
        if have and response.status_code != httpx.codes.PARTIAL_CONTENT:
            opened.truncate(0)
            meter.add(-have)
            have = 0
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            opened.write(chunk)
            meter.add(len(chunk))
            have += len(chunk)
            if have > file.size_bytes:  # more than announced: is_intact will refuse it
                return


def is_intact(path: Path, file: RemoteFile) -> bool:
    """Tell whether ``path`` holds the bytes the hub announced."""
    if path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as opened:
        if file.sha256:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
        digest = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
        while chunk := opened.read(io.DEFAULT_BUFFER_SIZE * 16):
            digest.update(chunk)
        return digest.hexdigest() == file.git_sha1


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
