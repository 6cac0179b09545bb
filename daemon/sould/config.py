"""Read ``config.yaml``: every key checked, every path absolute, once.

The structs mirror the file key by key, defaults included (a test holds them together).
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
import yaml
from msgspec import Meta, Struct, field

from soul_client import locate
from soul_client.errors import ConfigInvalid
from soul_client.wire import Limits, Sampling
from sould.errors import ConfigError

_SIZE_UNITS = {
    "B": 1,
    **{f"{prefix}B": 1000**n for n, prefix in enumerate("KMGT", start=1)},
    **{f"{prefix}iB": 1024**n for n, prefix in enumerate("KMGT", start=1)},
}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)$", re.IGNORECASE)
_FAULT_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_FORMS = {
    "body.device": "auto, cpu, cuda or cuda:N",
    "wire.listen": "ipc, or tcp://ADDRESS:PORT",
    "plugins.enabled": "names such as soul_nightly",
}
"""In words, what the keys with a pattern may be."""
_VALUE_CHARS = 80
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Size = Annotated[int, Meta(ge=1)] | str
"""Bytes, or a text such as ``6GB`` or ``512MiB``."""

PluginName = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.-]{0,99}$")]


class BodyConfig(Struct, frozen=True, kw_only=True):
    """``body``: which body, and how it is held."""

    name: Annotated[str, Meta(min_length=1)] = "smollm2-135m-instruct"
    device: Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    kernel: Literal["auto", "native", "torch"] = "auto"
    threads: Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"] = "auto"
    context_tokens: Annotated[int, Meta(ge=16)] | Literal["auto"] = "auto"
    memory_budget: Size = "auto"
    vram_budget: Size = "auto"
    parallel: Annotated[int, Meta(ge=1, le=64)] = 4
    idle_unload_s: Annotated[float, Meta(ge=0)] = 1800

    def __post_init__(self) -> None:
        for key in ("memory_budget", "vram_budget"):
            try:
                parse_size(getattr(self, key))
            except ValueError as e:
                raise ValueError(f"{key}: {e}") from e


class ChatConfig(Sampling, frozen=True, kw_only=True):
    """``chat``: the system prompt, and how replies are sampled."""

    system_prompt: str = ""

    def sampling(self) -> Sampling:
        """Return the sampling part alone."""
        return Sampling(**{name: getattr(self, name) for name in Sampling.__struct_fields__})


class SoulConfig(Struct, frozen=True, kw_only=True):
    """``soul``: what is learned, and how often it is saved."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = "default"
    inner_lr: Annotated[float, Meta(gt=0, le=0.1)] = 0.002
    dreams: Literal["auto", "bank", "body"] = "auto"
    save_every_s: Annotated[float, Meta(gt=0)] = 300
    keep: Annotated[int, Meta(ge=2, le=10_000)] = 20


class WireConfig(Limits, frozen=True, kw_only=True):
    """``wire``: where the daemon listens, and the limits it holds clients to."""

    listen: Annotated[str, Meta(pattern=r"^(ipc|tcp://[^/\s]+:\d{1,5})$")] = "ipc"
    max_frame_bytes: Annotated[int, Meta(ge=65536, le=1 << 30)] = 4 * 1024 * 1024
    max_depth: Annotated[int, Meta(ge=4, le=256)] = 32
    max_items: Annotated[int, Meta(ge=64)] = 65536
    max_in_flight: Annotated[int, Meta(ge=1)] = 16
    max_queue: Annotated[int, Meta(ge=1)] = 256
    max_message_chars: Annotated[int, Meta(ge=1)] = 400_000
    slow_client_s: Annotated[float, Meta(gt=0)] = 10

    def limits(self) -> Limits:
        """Return the limits alone, as ``welcome`` tells them."""
        return Limits(**{name: getattr(self, name) for name in Limits.__struct_fields__})


class LogConfig(Struct, frozen=True, kw_only=True):
    """``log``: how much is written down."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class PluginsConfig(Struct, frozen=True, kw_only=True):
    """``plugins``: which are used, what they may take, and what each is told."""

    enabled: list[PluginName] = []
    time_budget_ms: Annotated[int, Meta(ge=1, le=6000)] = 200
    memory_mb: Annotated[int, Meta(ge=64, le=1 << 20)] = 1024
    settings: dict[str, dict[str, Any]] = {}

    def __post_init__(self) -> None:
        if twice := [name for name in self.enabled if self.enabled.count(name) > 1]:
            raise ValueError(f"enabled: {twice[0]} is there twice")


class Values(Struct, frozen=True, kw_only=True):
    """The whole file, as written."""

    bit_ttt: Literal[1] = 1
    language: Literal["auto", "en", "ja"] = "auto"
    workspace: Annotated[str, Meta(min_length=1)] = "workspace"
    models: Annotated[str, Meta(min_length=1)] = "models"
    runtime_dir: Annotated[str, Meta(min_length=1)] = "auto"
    memory: bool = True  # YAML reads on and off as booleans
    body: BodyConfig = field(default_factory=BodyConfig)
    chat: ChatConfig = field(default_factory=ChatConfig)
    soul: SoulConfig = field(default_factory=SoulConfig)
    wire: WireConfig = field(default_factory=WireConfig)
    log: LogConfig = field(default_factory=LogConfig)
    plugins: PluginsConfig = field(default_factory=PluginsConfig)


class Config(Struct, kw_only=True):
    """What is in force: the values of the file, every path absolute. What ``sould.live`` lists may
    change while the daemon runs. ``is_safe``: no plugin is used, whatever the file says.
    """

    path: Path
    language: Literal["auto", "en", "ja"]
    workspace: Path
    models: Path
    runtime_dir: Path
    memory: bool
    body: BodyConfig
    chat: ChatConfig
    soul: SoulConfig
    wire: WireConfig
    log: LogConfig
    plugins: PluginsConfig
    is_safe: bool = False

    @property
    def cache_dir(self) -> Path:
        """Where compiled kernels and other things that can be made again are kept."""
        return self.workspace / "cache"

    def shown(self) -> dict[str, Any]:
        """Return the values in force as builtins, for people and JSON."""
        shown = msgspec.to_builtins(self, enc_hook=str)
        assert isinstance(shown, dict)
        del shown["path"], shown["is_safe"]
        return {"bit_ttt": 1, **shown}


def load(path: Path, text: str | None = None) -> Config:
    """Read and check one config file, or what is to become of it (``text``).

    Raises:
        ConfigError: names the file, the line, the key, the value and the nearest valid key.
    """
    path = path.absolute()
    try:
        raw, lines = _read_yaml(path, text)
        values = _check(path, raw, lines)
        return Config(
            path=path,
            language=values.language,
            workspace=locate.workspace_dir(path, raw),
            models=locate.resolve(path, "models", values.models),
            runtime_dir=locate.runtime_dir(path, raw),
            memory=values.memory,
            body=values.body,
            chat=values.chat,
            soul=values.soul,
            wire=values.wire,
            log=values.log,
            plugins=values.plugins,
        )
    except ConfigInvalid as e:
        raise ConfigError(str(e)) from e


def without_plugins(config: Config) -> Config:
    """Return the same settings with no plugin enabled. Pure."""
    plugins = msgspec.structs.replace(config.plugins, enabled=[])
    return msgspec.structs.replace(config, plugins=plugins, is_safe=True)


def parse_size(value: int | str) -> int | None:
    """Return bytes; None for ``auto``. A text is such as ``6GB`` (10⁹) or ``6GiB`` (2³⁰).

    Raises:
        ValueError: none of these.
    """
    if isinstance(value, int):
        return value
    if value == "auto":
        return None
    if not (match := _SIZE.match(value)):
        raise ValueError(f"expected a size such as 6GB, 512MiB or auto, got {value!r}")
    unit = match[2][:-1].upper().replace("I", "i") + "B"
    return int(float(match[1]) * _SIZE_UNITS[unit])


def _read_yaml(path: Path, text: str | None) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the builtins of the file and the line of every dotted key."""
    try:
        loader = _LOADER(path.read_text("utf-8") if text is None else text)
    except FileNotFoundError as e:
        raise ConfigError(f"{path} does not exist") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}") from e
    except OSError as e:
        raise ConfigError(f"{path} cannot be read: {e.strerror}") from e
    except yaml.YAMLError as e:
        raise _not_yaml(path, e) from e
    lines: dict[str, int] = {}
    try:
        node = loader.get_single_node()
        if node is None:
            return {}, lines
        _index_lines(path, node, "", lines)
        raw = loader.construct_document(node)
    except (yaml.YAMLError, RecursionError) as e:
        raise _not_yaml(path, e) from e
    finally:
        loader.dispose()
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds a {type(raw).__name__}, expected keys such as 'body:'")
    return raw, lines


def _not_yaml(path: Path, error: Exception) -> ConfigError:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}"
        return ConfigError(f"{where}: not valid YAML: {error.problem}")
    return ConfigError(f"{path} is not valid YAML: {error}")


def _index_lines(path: Path, node: yaml.Node, prefix: str, lines: dict[str, int]) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        dotted, line = f"{prefix}{key.value}", key.start_mark.line + 1
        if dotted in lines:
            raise ConfigError(
                f"{path}, line {line}: {dotted} is given twice, first on line {lines[dotted]}"
            )
        lines[dotted] = line
        _index_lines(path, value, f"{dotted}.", lines)


def _check(path: Path, raw: dict[str, Any], lines: dict[str, int]) -> Values:
    _refuse_unknown(path, raw, Values, "", lines)
    given = {key: value for key, value in raw.items() if value is not None}  # `body:` left empty
    try:
        return msgspec.convert(given, Values)
    except msgspec.ValidationError as e:
        match = _FAULT_PATH.match(str(e))
        assert match is not None
        what, dotted = match["what"], (match["path"] or "").lstrip(".")
        if what.startswith("Invalid enum value"):
            what = f"expected one of {', '.join(map(str, _choices(dotted)))}"
        if "matching regex" in what:
            what = f"expected {_FORMS[dotted.partition('[')[0]]}"
        key, named, fault = what.partition(": ")
        if named and f"{dotted}.{key}" in lines:  # a check of the whole section names its key
            dotted, what = f"{dotted}.{key}", fault
        raise ConfigError(
            f"{_place(path, dotted, lines)}: {dotted} is {_shown(_value_at(given, dotted))}: {what}"
        ) from e


def _refuse_unknown(
    path: Path, raw: dict[str, Any], section: type[Struct], prefix: str, lines: dict[str, int]
) -> None:
    types = get_type_hints(section)
    for key, value in raw.items():
        dotted = f"{prefix}{key}"
        if key not in section.__struct_fields__:
            near = difflib.get_close_matches(str(key), section.__struct_fields__, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else _elsewhere(str(key))
            raise ConfigError(
                f"{_place(path, dotted, lines)}: unknown key {dotted} (value {_shown(value)})", hint
            )
        if isinstance(value, dict) and _is_section(types[key]):
            _refuse_unknown(path, value, types[key], f"{dotted}.", lines)


def _elsewhere(key: str) -> str:
    """Suggest a key of that name in another section, else list the sections."""
    for name, type_ in get_type_hints(Values).items():
        if key == name:
            return f"{key} belongs at the top of the file"
        if _is_section(type_) and key in type_.__struct_fields__:
            return f"did you mean {name}.{key}?"
    return f"valid at the top are {', '.join(Values.__struct_fields__)}"


def _choices(dotted: str) -> tuple[Any, ...]:
    type_: Any = Values
    for part in dotted.split("."):
        type_ = get_type_hints(type_)[part]
    return get_args(type_)


def _is_section(type_: Any) -> bool:
    return not get_args(type_) and isinstance(type_, type) and issubclass(type_, Struct)


def _place(path: Path, dotted: str, lines: dict[str, int]) -> str:
    line = lines.get(dotted) or lines.get(dotted.partition("[")[0])
    return f"{path}, line {line}" if line else str(path)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_CHARS else f"{text[:_VALUE_CHARS]}…"


def _value_at(raw: Any, dotted: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", dotted):
        raw = raw[int(part)] if isinstance(raw, list) else raw.get(part)
    return raw
