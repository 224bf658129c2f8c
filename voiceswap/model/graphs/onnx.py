"""Graphs in ONNX's file format, written without the `onnx` package: importing it takes half a second.

A graph names its weights and never holds them. The messages and their field numbers are those of onnx.proto
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), encoded as protocol buffers are on the wire.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from voiceswap.arrays import Array

IR_VERSION = 10
OPSET = 20
# Operators of onnxruntime's own: among them attention that never holds what all places say to all others.
CONTRIB = "com.microsoft"
CONTRIB_VERSION = 1
Attribute = int | float | str | Sequence[int]
# Sizes of a value; a name stands for a size that is open.
Dims = Sequence[int | str]

# Types of tensors, TensorProto.DataType.
ELEMENT_TYPES = {"float32": 1, "int64": 7}
EXTERNAL = 1
# Types of attributes, AttributeProto.AttributeType.
FLOAT, INT, STRING, INTS = 1, 2, 3, 7


def varint(number: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first; negative ones as 64 bits."""
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def number_field(field: int, number: int) -> bytes:
    """A field that is a whole number."""
    return varint(field << 3) + varint(number)


def bytes_field(field: int, value: bytes | str) -> bytes:
    """A field that is bytes, text or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def float_field(field: int, number: float) -> bytes:
    """A field that is a number in single precision."""
    return varint(field << 3 | 5) + struct.pack("<f", number)


def model(nodes: Sequence[bytes], initializers: Sequence[bytes], inputs: Sequence[bytes], output: bytes) -> bytes:
    """A ModelProto."""
    graph = b"".join(
        [
            *(bytes_field(1, each) for each in nodes),
            bytes_field(2, "network"),
            *(bytes_field(5, each) for each in initializers),
            *(bytes_field(11, each) for each in inputs),
            bytes_field(12, output),
        ]
    )
    opsets = (number_field(2, OPSET), bytes_field(1, CONTRIB) + number_field(2, CONTRIB_VERSION))
    return (
        number_field(1, IR_VERSION)
        + bytes_field(2, "voiceswap")
        + bytes_field(7, graph)
        + b"".join(bytes_field(8, each) for each in opsets)
    )


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]) -> bytes:
    """A NodeProto; operators of onnxruntime's own are named with their domain, `com.microsoft.Gelu`."""
    domain, _, name = kind.rpartition(".")
    return b"".join(
        [
            *(bytes_field(1, each) for each in inputs),
            *(bytes_field(2, each) for each in outputs),
            bytes_field(3, outputs[0]),
            bytes_field(4, name),
            *(bytes_field(5, _attribute(key, value)) for key, value in attributes.items()),
            bytes_field(7, domain),
        ]
    )


def _attribute(name: str, value: Attribute) -> bytes:
    encoded = bytes_field(1, name)
    if isinstance(value, float):
        return encoded + float_field(2, value) + number_field(20, FLOAT)
    if isinstance(value, int):
        return encoded + number_field(3, value) + number_field(20, INT)
    if isinstance(value, str):
        return encoded + bytes_field(4, value) + number_field(20, STRING)
    return encoded + b"".join(number_field(8, each) for each in value) + number_field(20, INTS)


def constant(name: str, value: Array) -> bytes:
    """A TensorProto with its values, float32 or int64."""
    return _tensor(name, value.shape, value.dtype.name) + bytes_field(9, value.tobytes())


def weight(name: str, shape: Sequence[int]) -> bytes:
    """A TensorProto, float32, whose values are elsewhere: a session has to be given them."""
    location = bytes_field(1, "location") + bytes_field(2, "given")
    return _tensor(name, shape, "float32") + bytes_field(13, location) + number_field(14, EXTERNAL)


def _tensor(name: str, shape: Sequence[int], dtype: str) -> bytes:
    dims = b"".join(number_field(1, size) for size in shape)
    return dims + number_field(2, ELEMENT_TYPES[dtype]) + bytes_field(8, name)


def value(name: str, dims: Dims) -> bytes:
    """A ValueInfoProto of float32."""
    sizes = [bytes_field(2, size) if isinstance(size, str) else number_field(1, size) for size in dims]
    shape = b"".join(bytes_field(1, size) for size in sizes)
    tensor = number_field(1, ELEMENT_TYPES["float32"]) + bytes_field(2, shape)
    return bytes_field(1, name) + bytes_field(2, bytes_field(1, tensor))


def int64(*numbers: int) -> Array:
    """Whole numbers as ONNX wants shapes, axes and positions, (n,) int64."""
    return np.array(numbers, np.int64)
