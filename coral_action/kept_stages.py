"""The stages of one model as an earlier run left them in the cache, and keeping those of this run.

Only successes are kept. A result is stored only if all that it depends on is still what it was
when the stage began: somebody may have saved a file in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from coral_action.cache import MAX_FILE_BYTES, Cache, Entry
from coral_action.config.schema import ModelConfig
from coral_action.edgetpu import Compiled, compiled_to_json, put_back
from coral_action.errors import CoralQuantizeError
from coral_action.evaluation import Accuracy
from coral_action.findings import Finding, Severity
from coral_action.loading import FloatModel
from coral_action.output_files import take_file
from coral_action.quantization import Int8Model
from coral_action.scratch import Scratch
from coral_action.stage_keys import StageKeys
from coral_action.workers import core_count

T = TypeVar("T")
_FLOAT, _INT8 = "float.tflite", "int8.tflite"
_NOT_OURS = (
    CoralQuantizeError,
    OSError,  # what can't be put in its place here can't be written later, which tells the user
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RecursionError,
)


class KeptStages:
    """What the cache has of one model; without keys, nothing is found and nothing kept."""

    def __init__(
        self, config: ModelConfig, cache: Cache | None = None, keys: StageKeys | None = None
    ) -> None:
        """Nothing is looked up yet."""
        self._config = config
        self._cache = cache or Cache()
        self._keys = keys
        self._wanted: dict[str, str | None] = {}
        self.found: list[str] = []  # stages whose result came from the cache, in their order

    def loading(self, folder: Path) -> FloatModel | None:
        """The float model, with its file in a folder."""
        if self._keys is None:
            return None

        def revive(entry: Entry) -> FloatModel:
            return FloatModel.from_json({**entry.data, "path": str(entry.files[_FLOAT])})

        return self._find("loading", self._keys.loading(self._config), folder, revive)

    def keep_loading(self, loaded: FloatModel) -> None:
        """Keep a float model whose files held all that it is made of."""
        if self._keys is not None and not self._keys.may_read_more(self._config, loaded):
            now = self._keys.loading(self._config, fresh=True)
            self._keep("loading", now, loaded.to_json(), {_FLOAT: loaded.path})

    def conversion(self, loaded: FloatModel, folder: Path) -> tuple[Finding, ...] | None:
        """What the check of the float model against the original found."""
        if self._keys is None:
            return None

        def revive(entry: Entry) -> tuple[Finding, ...]:
            found = [{**f, "severity": Severity(f["severity"])} for f in entry.data["findings"]]
            return tuple(Finding(**finding) for finding in found)

        key = self._keys.conversion(self._config, loaded)
        return self._find("conversion", key, folder, revive)

    def keep_conversion(self, findings: Sequence[Finding]) -> None:
        """Keep what the check found."""
        data = {"findings": [vars(finding) for finding in findings]}
        self._keep("conversion", self._wanted.get("conversion"), data, {})

    def quantization(self, loaded: FloatModel, folder: Path, target: Path) -> Int8Model | None:
        """The int8 model, written to `target`."""
        if self._keys is None:
            return None

        def revive(entry: Entry) -> Int8Model:
            found = Int8Model.from_json(entry.data, entry.files[_INT8])
            take_file(found.path, target, MAX_FILE_BYTES)
            return replace(found, path=target)

        key = self._keys.quantization(self._config, loaded)
        return self._find("quantization", key, folder, revive)

    def keep_quantization(self, loaded: FloatModel, made: Int8Model) -> None:
        """Keep an int8 model."""
        if self._keys is not None:
            now = self._keys.quantization(self._config, loaded, fresh=True)
            self._keep("quantization", now, made.to_json(), {_INT8: made.path})

    def evaluation(self, loaded: FloatModel, int8: Path, folder: Path) -> Accuracy | None:
        """The accuracy; its findings may be those of other limits."""
        if self._keys is None:
            return None
        key = self._keys.evaluation(self._config, loaded, int8)
        return self._find("evaluation", key, folder, lambda entry: Accuracy.from_json(entry.data))

    def keep_evaluation(self, loaded: FloatModel, int8: Path, accuracy: Accuracy) -> None:
        """Keep an accuracy."""
        if self._keys is not None:
            now = self._keys.evaluation(self._config, loaded, int8, fresh=True)
            self._keep("evaluation", now, accuracy.to_json(), {})

    def compilation(self, compiler: Path, models: Sequence[Path]) -> tuple[Compiled, ...] | None:
        """The compiled files of models that are compiled together, put beside them."""
        if self._keys is None:
            return None

        def revive(entry: Entry) -> tuple[Compiled, ...]:
            return put_back(entry.data["models"], entry.files, models)

        key = self._keys.compilation(compiler, models, self._config.edge_tpu)
        with Scratch() as folder:
            return self._find("compilation", key, Path(folder), revive)

    def keep_compilation(self, made: Sequence[Compiled]) -> None:
        """Keep compiled files, which are read in full: nothing of them can change unnoticed."""
        files = {path.name: path for item in made for path in (*item.paths, item.log)}
        data = {"models": [compiled_to_json(item) for item in made]}
        self._keep("compilation", self._wanted.get("compilation"), data, files)

    def peak_memory(self) -> int | None:
        """Bytes that the model took when it was made before on as many cores; None: not known."""
        key = self._keys and self._keys.memory(self._config, core_count())
        if not key:
            return None
        with Scratch() as folder:
            entry = self._cache.find(key, Path(folder))
        peak = entry.data.get("peak_bytes") if entry else None
        return peak if isinstance(peak, int) else None

    def keep_peak_memory(self, peak_bytes: int) -> None:
        """Remember what was measured, where the model was made from its beginning."""
        key = self._keys and self._keys.memory(self._config, core_count())
        if key and peak_bytes and not self.found:
            self._cache.store(key, {"peak_bytes": peak_bytes}, {})

    def source_digest(self) -> str | None:
        """SHA-256 of the model's source, if it is known; errors as `StageKeys.source_digest`."""
        return self._keys.source_digest(self._config) if self._keys else None

    def _find(
        self, stage: str, key: str | None, folder: Path, revive: Callable[[Entry], T]
    ) -> T | None:
        self._wanted[stage] = key
        if key is None:
            return None
        place = folder / f"kept-{stage}"
        place.mkdir()
        entry = self._cache.find(key, place)
        if entry is None:
            return None
        try:
            found = revive(entry)
        except _NOT_OURS:
            return None  # the files are whole, but somebody else's
        self.found.append(stage)
        return found

    def _keep(
        self, stage: str, now: str | None, data: Mapping[str, Any], files: Mapping[str, Path]
    ) -> None:
        if now is not None and now == self._wanted.get(stage):
            self._cache.store(now, dict(data), files)
