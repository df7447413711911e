"""The configuration of a Keras file, read as JSON, and the code that is hidden in it.

Keras turns this JSON into objects, and some of them are code: a `Lambda` layer is marshalled Python
bytecode, and a module and class name can call into any package. Keras's own safe mode does not
cover .h5 files, so both kinds are judged here, by an allow-list, before Keras sees the file.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading import formats
from coral_action.loading.graph_code import ALLOW_HINT
from coral_action.loading.interface import LoadRequest, listed

Json = dict[str, Any]

_MAX_CONFIG_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 4 * 2**30
_WEIGHTS_ONLY_HINT = (
    "save the whole model where it was built: model.save('model.keras'), not model.save_weights"
)
# Packages of Keras whose objects are built from data alone; keras.utils, for one, is not.
_TRUSTED_MODULES = re.compile(
    r"^(keras|tf_keras|tensorflow\.python\.keras|tensorflow\.keras)"
    r"(\.src)?(\.(activations|constraints|dtype_policies|engine|initializers|layers|losses|metrics"
    r"|mixed_precision|models|ops|optimizers|quantizers|regularizers)(\.[a-z0-9_.]+)?)?$"
)
_CODE_CLASSES = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
    | {"ClassMethod", "InstanceMethod", "__typespec__"}
)
# What a TFOpLambda layer of Keras 2 may call: whole namespaces of arithmetic, and single functions.
_TRUSTED_NAMESPACES = frozenset({"math", "nn", "image", "linalg", "signal", "__operators__"})
_TRUSTED_FUNCTIONS = re.compile(
    r"(abs|add|argmax|argmin|broadcast_to|cast|clip_by_value|concat|constant"
    r"|convert_to_tensor|cumsum|divide|einsum|equal|exp|expand_dims|fill|gather|gather_nd"
    r"|greater|greater_equal|identity|less|less_equal|logical_and|logical_not|logical_or"
    r"|matmul|maximum|meshgrid|minimum|multiply|negative|norm|not_equal|one_hot|ones"
    r"|ones_like|pad|pow|range|rank|realdiv|reduce_all|reduce_any|reduce_max|reduce_mean"
    r"|reduce_min|reduce_prod|reduce_sum|repeat|reshape|reverse|roll|round|rsqrt"
    r"|scalar_mul|shape|sigmoid|sign|size|slice|sort|space_to_batch|split|sqrt|square"
    r"|squeeze|stack|stop_gradient|strided_slice|subtract|tanh|tensordot|tile|transpose"
    r"|truediv|unstack|where|zeros|zeros_like)"
)


def read_config(request: LoadRequest) -> Json:
    """The model configuration of a .keras or .h5 file.

    Raises:
        ModelError: if the file is damaged, or holds weights only.
    """
    path = Path(request.source)
    try:
        text = _from_zip(path) if request.format == formats.KERAS else _from_h5(path)
        config = json.loads(text)
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, RecursionError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, error) from error
    if not isinstance(config, dict):
        raise _damaged(path, ValueError("the configuration is no mapping"))
    return config


def refuse_code(config: Json, request: LoadRequest) -> None:
    """Refuse a model whose configuration names code, before anything of it is run.

    Raises:
        ModelError: naming the layers.
    """
    if request.allow_custom_code:
        return
    # The top level's training configuration is never used: models are loaded with compile=False.
    used = {key: value for key, value in config.items() if key != "compile_config"}
    found = list(dict.fromkeys(_code(used)))
    # The bytecode inside of a Lambda layer goes without saying.
    found = [name for name in found if name != "__lambda__"] or found
    if found:
        raise ModelError(
            f"the model holds code of its own: {listed(found, 4)}",
            hint=ALLOW_HINT,
            topic="custom-code",
        )


def _from_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        # Keras unpacks the weights onto the disk; what is declared is what can come out.
        declared = sum(entry.file_size for entry in archive.infolist())
        if declared > MAX_UNPACKED_BYTES:
            raise ModelError(
                f"{path}: {declared:,} bytes when unpacked, more than {MAX_UNPACKED_BYTES:,}",
                hint="no model of that size runs on an Edge TPU",
            )
        if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
            raise ValueError("config.json is too large")
        return archive.read("config.json")


def _from_h5(path: Path) -> bytes | str:
    import h5py

    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise ModelError(
                f"{path}: an HDF5 file with weights but no model", hint=_WEIGHTS_ONLY_HINT
            )
        if not isinstance(config, bytes | str):
            raise ValueError("model_config is no text")
        return config


def _damaged(path: Path, error: BaseException) -> ModelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ModelError(
        f"{path}: a damaged Keras file: {reason}",
        hint="the download or copy did not finish; save or fetch the file again",
        topic="damaged-file",
    )


def _code(value: Any) -> Iterator[str]:
    """What each object in a configuration is called that is not plain Keras."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if isinstance(item.get("class_name"), str) and (what := _judge(item)):
                yield what
            pending.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            pending.extend(reversed(item))


def _judge(item: Json) -> str | None:
    """Why an object is code; None if it is plain Keras."""
    kind, module = item["class_name"], item.get("module")
    inner = item.get("config")
    name = (inner.get("name") if isinstance(inner, dict) else None) or item.get("name")
    label = f"{name} ({kind})" if isinstance(name, str) else kind
    if kind in _CODE_CLASSES:
        return label
    if ">" in kind:
        return f"{label}, a class of its maker's"
    if kind == "TFOpLambda":
        function = inner.get("function") if isinstance(inner, dict) else None
        return None if _is_trusted_function(function) else f"{label} calling {function}"
    if module is None:
        registered = item.get("registered_name")
        own = isinstance(registered, str) and ">" in registered
        return f"{label}, a class of its maker's" if own else None
    if module == "builtins" and kind in ("function", "slice"):
        return None
    if not isinstance(module, str) or not _TRUSTED_MODULES.match(module):
        return f"{label} from the module {module}"
    return None


def _is_trusted_function(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    namespace, dot, _ = name.removeprefix("compat.v1.").partition(".")
    if dot:
        return namespace in _TRUSTED_NAMESPACES
    return _TRUSTED_FUNCTIONS.fullmatch(namespace) is not None
