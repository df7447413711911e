"""What each stage's result depends on, as the key under which it is kept.

A key names contents, never places: the float model that quantization begins with counts by its
bytes, whatever it was loaded from. A stage without a key can't be kept: user's code runs in it, or
something is missing.
"""

from __future__ import annotations

import contextlib
import mmap
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coral_action.cache import key_of
from coral_action.config.data_schema import DataSection
from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import fingerprint
from coral_action.errors import CoralQuantizeError, ModelError
from coral_action.file_index import FileIndex
from coral_action.loading import FloatModel
from coral_action.provenance import build_of_tools, require_inside, sha256_of, sha256_of_source

# onnx.proto, TensorProto.external_data: the key of the entry that names another file, as encoded.
_ONNX_LOCATION = b"\x0a\x08location"
_SAVED_MODEL_FILE = "saved_model.pb"  # stands for its folder


class StageKeys:
    """Keys of the stages of all models of a run."""

    def __init__(self, paths: PathRules, index: FileIndex, *, allow_custom_code: bool) -> None:
        """Nothing is read yet, but for the versions of the tools."""
        self._paths = paths
        self._index = index
        self._allow_custom_code = allow_custom_code
        self._tools = build_of_tools()
        self._seen: dict[str, str | None] = {}
        self._lock = threading.Lock()

    def loading(self, config: ModelConfig, *, fresh: bool = False) -> str | None:
        """Of the float model."""
        source = self._source(config, fresh=fresh)
        return source and key_of("loading", {"tools": self._tools, "source": source})

    def conversion(self, config: ModelConfig, model: FloatModel) -> str | None:
        """Of the check of the float model against the original."""
        source = self._source(config)
        parts = {"tools": self._tools, "source": source, "float": self._float(model)}
        return None if source is None or self._allow_custom_code else key_of("conversion", parts)

    def quantization(
        self, config: ModelConfig, model: FloatModel, *, fresh: bool = False
    ) -> str | None:
        """Of the int8 model."""
        data = self._data(config.calibration, fresh=fresh)
        parts = {
            "tools": self._tools,
            "float": self._float(model),
            "data": data,
            "calibration": _plain(config.calibration),
            "preprocess": _plain(config.preprocess),
            "ranges": config.ranges,
            "quantization": _plain(config.quantization),
        }
        return data and key_of("quantization", parts)

    def evaluation(
        self, config: ModelConfig, model: FloatModel, int8: Path, *, fresh: bool = False
    ) -> str | None:
        """Of the accuracy; of `limits` only the level of its interval counts."""
        options = config.evaluation
        data = self._data(options, fresh=fresh) if options else None
        if options is None or data is None:
            return None
        source = None
        if options.reference == "original":
            source = self._source(config, fresh=fresh)
            if source is None or self._allow_custom_code:
                return None
        limit = config.limits.accuracy_drop
        parts = {
            "tools": self._tools,
            "float": self._float(model),
            "int8": sha256_of(int8),
            "original": source,
            "data": data,
            "evaluation": _plain(options),
            "preprocess": _plain(config.preprocess),
            "confidence": limit and limit.confidence,
        }
        return key_of("evaluation", parts)

    def compilation(
        self, compiler: Path, models: Sequence[Path], config: EdgeTpuConfig
    ) -> str | None:
        """Of compiled files; of the compiler count the program and what it has beside itself."""
        with contextlib.suppress(OSError, ModelError):
            program = compiler.resolve()
            beside = program.with_name(f"{program.name}_bin")
            parts = {
                "tools": self._tools,
                "compiler": sha256_of(program, self._digest),
                "beside": sha256_of(beside, self._digest) if beside.is_dir() else None,
                "models": [[path.name, sha256_of(path)] for path in models],
                "options": _plain(config),
            }
            return key_of("compilation", parts)
        return None

    def memory(self, config: ModelConfig, cores: int) -> str | None:
        """Of the memory that a model took."""
        source = self._source(config)
        return source and key_of("memory", {"source": source, "cores": cores})

    def may_read_more(self, config: ModelConfig, loaded: FloatModel) -> bool:
        """Whether a float model may depend on more than the files of its source.

        Code in a model file may read anything, and an ONNX file may have weights beside it.
        """
        if loaded.format == "onnx":
            path = self._paths.resolve(config.source)
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as held:
                return held.find(_ONNX_LOCATION) >= 0
        return self._allow_custom_code and loaded.format != "tflite"

    def source_digest(self, config: ModelConfig) -> str:
        """SHA-256 of what `source` names, for the report.

        Raises:
            ConfigError, ModelError: as `sha256_of_source`.
        """
        return sha256_of_source(config.source, self._paths, self._digest)

    def _source(self, config: ModelConfig, *, fresh: bool = False) -> str | None:
        """The model's files, and what coral.yml says of how to read them."""
        options = {
            "source": config.source,
            "signature": config.signature,
            "inputs": config.inputs,
            "outputs": config.outputs,
            "input_shapes": config.input_shapes,
            "constants": config.constants,
            "allow_custom_code": self._allow_custom_code,
        }
        digest = self._remembered(f"source:{config.source}", fresh, lambda: self._files(config))
        return digest and key_of("source", {"digest": digest, "options": options})

    def _files(self, config: ModelConfig) -> str | None:
        with contextlib.suppress(CoralQuantizeError, OSError):
            path = self._paths.resolve(config.source)
            if path.name == _SAVED_MODEL_FILE:
                path = path.parent
            require_inside(path, self._paths)
            return sha256_of(path, self._digest)
        return None

    def _data(self, section: DataSection, *, fresh: bool = False) -> str | None:
        def read() -> str | None:
            return fingerprint(section, self._paths, self._index.digests)

        return self._remembered(f"data:{section.model_dump_json()}", fresh, read)

    def _remembered(self, name: str, fresh: bool, read: Any) -> str | None:
        """Models often share data: they are looked at once a run, unless `fresh` asks again."""
        if fresh:
            found: str | None = read()
            return found
        with self._lock:
            if name not in self._seen:
                self._seen[name] = read()
            return self._seen[name]

    def _float(self, model: FloatModel) -> dict[str, Any]:
        described = model.to_json()
        del described["path"], described["findings"]
        return {**described, "sha256": sha256_of(model.path)}

    def _digest(self, path: Path) -> str:
        found = self._index.digest(str(path))
        if not found:
            raise ModelError(f"{path}: can't be read")
        return found


def _plain(section: Any) -> dict[str, Any]:
    data: dict[str, Any] = section.model_dump(mode="json")
    return data
