"""Tensors out of torch.save files (zip and older) and out of pickles with tensors inside, without running anything.

A tensor is described first (`TensorView`) and made when asked for, after its size was compared with the data there.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgan.weights.pickles.unpickle import Limits, Name, PickleReader, Record, Refused
from sgan.weights.pickles.ziptable import zip_entries

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a torch.save file before the zip format
LEGACY_PROTOCOL = 1001
MAX_DEPTH = 2
SHARED = 2**28  # bytes that tensors may take beyond the file: networks of a file may share their data
DTYPES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool,
}  # fmt: skip
STORAGES = {f"torch.{name}Storage": dtype for name, dtype in DTYPES.items()}
INERT = frozenset(
    [*STORAGES, "numpy.ndarray", "torch.storage.UntypedStorage"]
    + [f"torch.{name}" for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")]
)


@dataclass
class Storage:
    """A run of numbers in the file; data is set once its place is known."""

    dtype: torch.dtype
    numel: int
    data: memoryview | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that the numbers take."""
        return self.numel * self.dtype.itemsize


@dataclass
class Budget:
    """Bytes of tensors that a file may still give."""

    left: int


@dataclass
class TensorView:
    """A tensor as a file describes it; `tensor()` makes it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    budget: Budget
    made: Tensor | None = field(default=None, repr=False)

    def tensor(self) -> Tensor:
        """A contiguous tensor of its own memory; Refused when the file promises more than it holds."""
        if self.made is None:
            size = self.storage.dtype.itemsize
            numel = math.prod(self.shape)
            self.budget.left -= numel * size
            if self.budget.left < 0:
                raise Refused("describes more tensors than it holds data for")
            extent = 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.stride)) if numel else 0
            if self.storage.data is None:
                raise Refused("describes a tensor whose data is missing")
            part = self.storage.data[self.offset * size : (self.offset + extent) * size]
            flat = torch.from_numpy(np.array(part, dtype=np.uint8)).view(self.storage.dtype)
            self.made = flat.as_strided(self.shape, self.stride).contiguous()
        return self.made


def read_pickle_file(data: memoryview) -> Any:
    """The object of a plain pickle whose tensors were pickled with it."""
    return _Loader(data).reader(data).read()


def read_torch_zip(data: memoryview) -> Any:
    """The object of a torch.save file (a zip archive of a pickle and one entry per storage)."""
    return _Loader(data).read_zip(data)


def read_torch_legacy(data: memoryview) -> Any:
    """The object of a torch.save file of the older format (pickles in a row, then the storages)."""
    return _Loader(data).read_legacy(data)


class _Loader:
    """What the constructors of one file share: limits, byte budget, depth of archives inside archives."""

    def __init__(self, data: memoryview):
        self.limits, self.depth = Limits(), 0
        self.budget, self.encoded = Budget(len(data) + SHARED), Budget(len(data) + SHARED)
        rebuild, parameter = self._tensor, self._parameter
        self.constructors: dict[str, Callable[[tuple], Any]] = {
            "collections.OrderedDict": _dict,
            "dnnlib.util.EasyDict": _dict,
            "dnnlib.EasyDict": _dict,
            "argparse.Namespace": lambda args: Record("argparse.Namespace"),
            "torch._utils._rebuild_tensor": rebuild,
            "torch._utils._rebuild_tensor_v2": rebuild,
            "torch._utils._rebuild_parameter": parameter,
            "torch.storage._load_from_bytes": self._nested,
            "torch_utils.persistence._reconstruct_persistent_obj": _persistent,
            "torch.Size": lambda args: Record("torch.Size", args),
            "torch.device": lambda args: Record("torch.device", args),
            "numpy.dtype": lambda args: Record("numpy.dtype", args),
            "_codecs.encode": self._encode,
        }
        for core in ("numpy.core", "numpy._core"):
            self.constructors[f"{core}.multiarray.scalar"] = _scalar
            for name in ("multiarray._reconstruct", "numeric._frombuffer"):
                self.constructors[f"{core}.{name}"] = lambda args: Record("numpy.ndarray")
        for builtins in ("builtins", "__builtin__"):
            for name in ("set", "frozenset"):
                self.constructors[f"{builtins}.{name}"] = lambda args: []

    def reader(self, data: memoryview, position: int = 0, persistent: Callable | None = None) -> PickleReader:
        return PickleReader(data, position, self.constructors, INERT, persistent, self.limits)

    def read_zip(self, data: memoryview) -> Any:
        entries = zip_entries(data)
        self.limits.opcodes -= 10 * len(entries)  # an archive may be read many times
        names = [name for name in entries if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(names) != 1:
            raise Refused("is a zip archive, but not one that torch.save wrote")
        root = names[0].removesuffix("data.pkl")
        if root + "constants.pkl" in entries:
            raise Refused("is a TorchScript program; export plain weights (a state dict) instead")
        if bytes(entries.get(root + "byteorder", b"little")) != b"little":
            raise Refused("was written on a big-endian machine; save it again on another one")
        storages: dict[str, Storage] = {}

        def persistent(key: Any) -> Storage:
            dtype, name, numel = _storage_key(key)
            if name not in storages:
                storages[name] = Storage(dtype, numel, entries.get(f"{root}data/{name}"))
            return _checked(storages[name], dtype, numel)

        return self.reader(entries[names[0]], 0, persistent).read()

    def read_legacy(self, data: memoryview) -> Any:
        position = 0
        for expected in (LEGACY_MAGIC, LEGACY_PROTOCOL, None):
            head = self.reader(data, position)
            value, position = head.read(), head.position
            if expected is not None and value != expected:
                raise Refused("is no torch.save file of a known version")
        if not isinstance(value, dict) or value.get("little_endian") is not True:
            raise Refused("was written on a big-endian machine; save it again on another one")
        storages: dict[str, Storage] = {}

        def persistent(key: Any) -> Storage:
            dtype, name, numel = _storage_key(key)
            return _checked(storages.setdefault(name, Storage(dtype, numel)), dtype, numel, here=False)

        body = self.reader(data, position, persistent)
        value = body.read()
        tail = self.reader(data, body.position)
        keys = tail.read()
        for key in keys if isinstance(keys, list) else []:
            storage = storages.get(key) if isinstance(key, str) else None
            if storage is None or tail.number("q") != storage.numel:
                raise Refused("is damaged: its storages are not those that its pickle names")
            storage.data = tail.take(storage.nbytes)
        return value

    def _nested(self, args: tuple) -> Any:
        """The storage in a torch.save archive that is pickled as bytes."""
        if len(args) != 1 or not isinstance(args[0], memoryview):
            raise Refused("holds a tensor in a form that is not known")
        if self.depth >= MAX_DEPTH:
            raise Refused("holds archives nested too deeply for a checkpoint")
        self.depth += 1
        value = self.read_zip(args[0]) if bytes(args[0][:4]) == b"PK\3\4" else self.read_legacy(args[0])
        self.depth -= 1
        return value

    def _encode(self, args: tuple) -> memoryview:
        """Bytes that an old pickle protocol wrote as text."""
        if len(args) != 2 or not isinstance(args[0], str) or args[1] != "latin1":
            raise Refused("holds bytes in a form that is not known")
        self.encoded.left -= len(args[0])
        if self.encoded.left < 0:
            raise Refused("makes more bytes than it holds")
        try:
            return memoryview(args[0].encode("latin-1"))
        except UnicodeEncodeError:
            raise Refused("holds bytes in a form that is not known") from None

    def _tensor(self, args: tuple) -> TensorView:
        if len(args) < 4 or not isinstance(args[0], Storage):
            raise Refused("holds a tensor in a form that is not known")
        storage, offset, shape, stride = args[0], args[1], _sizes(args[2]), _sizes(args[3])
        numel = math.prod(shape)
        extent = 1 + sum((n - 1) * step for n, step in zip(shape, stride)) if numel else 0
        fits = type(offset) is int and offset >= 0 and len(shape) == len(stride)
        if not fits or numel > storage.numel or offset + extent > storage.numel:
            raise Refused(f"describes a tensor of shape {str(shape)[:60]} over {storage.numel} numbers; it is damaged")
        return TensorView(storage, offset, shape, stride, self.budget)

    def _parameter(self, args: tuple) -> Any:
        if not args or not isinstance(args[0], TensorView):
            raise Refused("holds a parameter that is no tensor")
        return args[0]


def _storage_key(key: Any) -> tuple[torch.dtype, str, int]:
    """(dtype, name, numbers) of a persistent id ("storage", type, name, device, numbers, ...)."""
    if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage" or (len(key) == 6 and key[5]):
        raise Refused("refers to data in a form that is not known")
    kind, name, numel = key[1], key[2], key[4]
    if not isinstance(kind, Name) or str(kind) not in STORAGES or not isinstance(name, str) or type(numel) is not int:
        raise Refused(f"has tensors of a kind that is not known ({str(kind)[:60]})")
    return STORAGES[str(kind)], name, numel


def _checked(storage: Storage, dtype: torch.dtype, numel: int, here: bool = True) -> Storage:
    if storage.dtype != dtype or storage.numel != numel or numel < 0:
        raise Refused("is damaged: one storage is described in two ways")
    if here and (storage.data is None or len(storage.data) != storage.nbytes):
        found = "nothing" if storage.data is None else f"{len(storage.data)} bytes"
        raise Refused(f"promises {storage.nbytes} bytes for a tensor and holds {found}; it is truncated or damaged")
    return storage


def _sizes(value: Any) -> tuple[int, ...]:
    value = value.args[0] if isinstance(value, Record) and len(value.args) == 1 else value
    if not isinstance(value, (tuple, list)) or len(value) > 8:
        raise Refused("holds a tensor whose shape is none")
    if not all(type(n) is int and 0 <= n < 2**48 for n in value):
        raise Refused("holds a tensor whose shape is none")
    return tuple(value)


def _dict(args: tuple) -> dict:
    if args and args != ([],):
        raise Refused("makes a dictionary in a form that is not known")
    return {}


def _persistent(args: tuple) -> Record:
    """A network or a part of one: class name and state. The program text beside them is left alone."""
    meta = args[0] if len(args) == 1 else None
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
        raise Refused("holds a network in a form that is not known")
    return Record(str(meta.get("class_name"))[:100], (), meta["state"])


def _scalar(args: tuple) -> float | int | bool:
    """A NumPy number as a Python one."""
    kind, data = args if len(args) == 2 else (None, None)
    code = kind.args[0] if isinstance(kind, Record) and kind.args else None
    if (
        not isinstance(code, str)
        or not re.fullmatch(r"[<|=]?(f[248]|[iu][1248]|b1)", code)
        or not isinstance(data, memoryview)
    ):
        raise Refused("holds a number in a form that is not known")
    dtype = np.dtype(code)
    if len(data) != dtype.itemsize:
        raise Refused("holds a number of the wrong length")
    return np.frombuffer(bytes(data), dtype)[0].item()
