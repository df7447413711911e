"""How much a TFLite flatbuffer unfolds to, counted before it is unfolded.

Offsets may point at one table from many places. A file of 1 MB whose 100,000 subgraphs are one and
the same, with 100,000 operators that are one and the same, would take hours and all memory.
"""

from __future__ import annotations

from typing import Any

# Files of all known converters share nothing; optimizers may share a little.
_SHARING, _FREE_BYTES = 2, 1 << 16
_TABLE = 8  # bytes that a table in a list takes at least: its offset, and that of its fields


class UnfoldsError(ValueError):
    """The file unfolds to far more than it holds."""


def require_bounded(model: Any, size: int) -> None:
    """Count the items of all lists, by the generated accessors, which copy nothing.

    Args:
        model: the schema's `Model`.
        size: of the file, in bytes.

    Raises:
        UnfoldsError: if the lists together are several times larger than the file.
    """
    budget = _SHARING * size + _FREE_BYTES

    def spend(count: int, each: int = 1) -> int:
        nonlocal budget
        budget -= count * each
        if budget < 0:
            raise UnfoldsError("its parts are used over and over")
        return count

    spend(model.OperatorCodesLength(), _TABLE)
    for index in range(spend(model.BuffersLength(), _TABLE)):
        spend(model.Buffers(index).DataLength())
    spend(model.MetadataLength() + model.MetadataBufferLength())
    for index in range(spend(model.SignatureDefsLength(), _TABLE)):
        signature = model.SignatureDefs(index)
        spend(signature.InputsLength() + signature.OutputsLength(), _TABLE)
    for index in range(spend(model.SubgraphsLength(), _TABLE)):
        graph = model.Subgraphs(index)
        spend(graph.InputsLength() + graph.OutputsLength())
        for number in range(spend(graph.TensorsLength(), _TABLE)):
            spend(_tensor(graph.Tensors(number)))
        for number in range(spend(graph.OperatorsLength(), _TABLE)):
            spend(_operator(graph.Operators(number)))


def _tensor(tensor: Any) -> int:
    count = tensor.ShapeLength() + tensor.ShapeSignatureLength() + tensor.VariantTensorsLength()
    count += len(tensor.Name() or b"")
    if (quantization := tensor.Quantization()) is not None:
        count += quantization.MinLength() + quantization.MaxLength()
        count += quantization.ScaleLength() + quantization.ZeroPointLength()
    if (sparsity := tensor.Sparsity()) is not None:
        count += sparsity.TraversalOrderLength() + sparsity.BlockMapLength()
        count += sparsity.DimMetadataLength()
    return int(count)


def _operator(operator: Any) -> int:
    count = operator.InputsLength() + operator.OutputsLength() + operator.IntermediatesLength()
    return int(count + operator.MutatingVariableInputsLength() + operator.CustomOptionsLength())
