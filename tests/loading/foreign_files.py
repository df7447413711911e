"""Files that are no models, or none that can be loaded; ONNX models where onnx is installed."""

from __future__ import annotations

import gzip
import importlib.util
import io
import pickle
import zipfile
from pathlib import Path

from tests.loading.digits_onnx import write_digits_onnx
from tests.loading.onnx_models import write_rgb_models


def write_foreign_files(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
    (folder / "pointer.tflite").write_text(pointer)
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}.")
        archive.writestr("model/version", "3\n")
    # torch.save before 1.6 wrote its magic number as the first pickle (torch/serialization.py).
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    (folder / "old.pth").write_bytes(magic + pickle.dumps(1001, protocol=2))
    (folder / "model.pkl").write_bytes(pickle.dumps({"weights": [1, 2]}))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b'{"a":{}}')
    (folder / "model.json").write_text('{"format": "layers-model", "modelTopology": {}}')
    (folder / "page.tflite").write_text("<!DOCTYPE html><html><title>Not found</title></html>")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="w") as file:
        file.write(b"model")
    (folder / "model.tar.gz").write_bytes(packed.getvalue())
    with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
        archive.writestr("inner/model.tflite", b"")
    (folder / "empty.pb").write_bytes(b"")
    (folder / "noise.bin").write_bytes(bytes(range(7, 207)))
    (folder / "nothing").mkdir()


def write_onnx_files(folder: Path, digits: Path) -> None:
    """The digits in ONNX and small graphs; without onnx, only a file that looks like one."""
    if importlib.util.find_spec("onnx") is None:
        (folder / "tiny.onnx").write_bytes(b"\x08\x08\x3a\x02\x12\x00\x42\x02\x10\x11")
        return
    from onnx import TensorProto, helper

    write_digits_onnx(digits / "model.keras", folder / "digits.onnx")
    write_digits_onnx(digits / "model.keras", folder / "digits_open.onnx", batch="batch")
    write_rgb_models(folder)

    def save(name: str, nodes: list[object]) -> None:
        x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in "xy")
        graph = helper.make_graph(nodes, name, [x], [y])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())

    branch = [
        helper.make_graph(
            [helper.make_node(kind, ["x"], [kind])],
            kind,
            [],
            [helper.make_tensor_value_info(kind, TensorProto.FLOAT, [1, 3])],
        )
        for kind in ("Relu", "Neg")
    ]
    save(
        "loop",
        [
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
            helper.make_node("Cast", ["sum"], ["flag"], to=TensorProto.BOOL),
            helper.make_node("If", ["flag"], ["y"], then_branch=branch[0], else_branch=branch[1]),
        ],
    )
    save("tiny", [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Exp", ["r"], ["y"])])
    save("foreign", [helper.make_node("Special", ["x"], ["y"], domain="own")])
