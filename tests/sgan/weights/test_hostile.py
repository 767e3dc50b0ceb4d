"""Files that want to do harm are refused in one sentence: nothing runs, memory and time stay bounded."""

import io
import json
import os
import pickle
import pickletools
import resource
import struct
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_files import (
    KINDS,
    Persistent,
    persistence_module,
    small_files,
    torch_bytes,
    write,
    zip_bytes,
)
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sgan.weights.checkpoint import load_generator, read_weights, rows_of
from sgan.weights.files import FORMAT, CheckpointError, checksum
from sgan.weights.foreign import Foreign
from sgan.weights.pickles.torchfile import read_pickle_file

MEGABYTE = 2**20


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return small_files(tmp_path_factory.mktemp("files"))


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def canary(folder):
    return folder / "it-ran"


def hostile_objects(folder):
    """Objects whose unpickling by the usual means would create the canary or worse."""
    target = str(canary(folder))
    return {
        "os.system": Call(os.system, f"touch {target}"),
        "eval": Call(eval, f"open({target!r}, 'w')"),
        "exec": Call(exec, f"open({target!r}, 'w')"),
        "open": Call(open, target, "w"),
        "getattr chain": Call(getattr, Call(__import__, "os"), "system"),
        "pickle.loads": Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {target}"))),
        "torch.load": Call(torch.load, io.BytesIO),
        "class of the project": Call(Path, target),
        "partial": Call(__import__("functools").partial, os.system),
    }


HOSTILE = list(hostile_objects(Path("x")))


def nested(blob):
    """A tensor's bytes as NVIDIA's pickles carry them."""
    return Call(torch.storage._load_from_bytes, blob)


def nvidia_with(value):
    """A snapshot in which a buffer is something else."""
    state = dict(_parameters={}, _buffers={"x": value}, _modules={})
    with persistence_module():
        return pickle.dumps({"G_ema": Persistent("Generator", state)}, 4)


def pickled_in_zip(value):
    return zip_bytes({"archive/data.pkl": pickle.dumps(value, 2), "archive/version": b"3\n"})


WRAPPINGS = {
    "pickle": lambda value: pickle.dumps({"G_ema": value}, 4),
    "protocol 0": lambda value: pickle.dumps({"G_ema": value}, 0),
    "inside a network": nvidia_with,
    "torch zip": lambda value: pickled_in_zip({"g_ema": value}),
    "legacy torch": lambda value: torch_bytes({"generator": value}, legacy=True),
    "nested zip": lambda value: pickle.dumps({"G_ema": nested(pickled_in_zip(value))}, 4),
    "nested legacy": lambda value: nvidia_with(nested(torch_bytes(value, legacy=True))),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_file_runs(tmp_path, name, wrapping):
    data = WRAPPINGS[wrapping](hostile_objects(tmp_path)[name])
    with pytest.raises(CheckpointError, match="nothing of it was run") as error:
        load_generator(write(tmp_path / "a.pkl", data))
    assert not canary(tmp_path).exists() and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b"(S'echo'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'echo'\no.",  # OBJ
        b"\x82\x01.",  # an extension registered elsewhere
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R.",  # STACK_GLOBAL
        b"\x80\x04cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
        b"\x80\x04ccollections\nOrderedDict\n)R}(X\x0c\x00\x00\x00__setstate__cos\nsystem\nub.",
        b"\x80\x04ccollections\nOrderedDict\n)}\x92.",  # NEWOBJ_EX
        b"\x80\x04ctorch\nFloatStorage\n(tR.",
        b"\x80\x05\x97.",  # NEXT_BUFFER
    ],
)
def test_hand_written_pickles_are_refused(tmp_path, body):
    with pytest.raises(CheckpointError) as error:
        load_generator(write(tmp_path / "a.pkl", body))
    assert "\n" not in str(error.value)


def persistent_tensor(numel, size, stride=None, offset=0, data=b"\0" * 16):
    """A torch zip whose one tensor has the given storage length, shape and strides."""

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if isinstance(value, Storage) else None

    stride = stride or tuple(int(np.prod(size[i + 1 :], dtype=object)) for i in range(len(size)))
    buffer = io.BytesIO()
    tensor = Call(torch._utils._rebuild_tensor_v2, Storage(), offset, size, stride, False, OrderedDict())
    Pickler(buffer, 2).dump({"g_ema": {"style.1.weight": tensor, "input.input": tensor, "conv1.conv.weight": tensor}})
    return zip_bytes({"archive/data.pkl": buffer.getvalue(), "archive/data/0": data})


def bomb_of_tuples():
    """Doubling tuples as a key: hashing them would take forever."""
    return b"\x80\x04})\x94" + b"".join(b"h%c\x86\x94" % i for i in range(60)) + b"K\x01s."


def legacy_promise(count):
    """A legacy torch file whose storage claims more than follows."""
    data = bytearray(torch_bytes({"g_ema": torch.zeros(4)}, legacy=True))
    return bytes(data[:-24]) + struct.pack("<q", count) + bytes(data[-16:])


def bomb_of_copies():
    """One text of 16 MB turned into bytes again and again."""
    text = b"\x80\x04c_codecs\nencode\n\x94X" + struct.pack("<I", 2**24) + b"a" * 2**24 + b"\x94\x8c\x06latin1\x94"
    return text + b"h\x00h\x01h\x02\x86R" * 1000 + b"."


def bomb_of_archives():
    """One archive of many entries read again and again."""
    blob = zip_bytes({f"a/{i}": b"" for i in range(19_000)} | {"a/data.pkl": b"\x80\x02N."})
    head = b"\x80\x04ctorch.storage\n_load_from_bytes\n\x94B" + struct.pack("<I", len(blob)) + blob + b"\x94"
    return head + b"h\x00h\x01\x85R0" * 10_000 + b"."


BOMBS = {
    "copies of a text": bomb_of_copies,
    "archives again and again": bomb_of_archives,
    "10 TB storage": lambda: persistent_tensor(2_500_000_000_000, (2_500_000_000_000,)),
    "10 TB by shape": lambda: persistent_tensor(4, (1_000_000, 2_500_000)),
    "10 TB by stride 0": lambda: persistent_tensor(4, (1_000_000, 2_500_000), (0, 0)),
    "outside of its storage": lambda: persistent_tensor(4, (2, 2), offset=3),
    "negative offset": lambda: persistent_tensor(4, (2, 2), offset=-1),
    "negative size": lambda: persistent_tensor(4, (-1, -4)),
    "too many dimensions": lambda: persistent_tensor(4, (1,) * 100),
    "legacy 10 TB": lambda: legacy_promise(2_500_000_000_000),
    "legacy negative": lambda: legacy_promise(-1),
    "long text": lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.",
    "long bytes": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 10**13) + b"abc.",
    "long number": lambda: b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",
    "negative length": lambda: b"\x80\x04\x8b" + struct.pack("<i", -5) + b"abc.",
    "far memo": lambda: b"\x80\x04]r\xff\xff\xff\x7f" * 1000 + b".",
    "nested lists": lambda: b"\x80\x04" + b"]" * 5_000_000 + b"a" * 4_999_999 + b".",
    "nested marks": lambda: b"\x80\x04" + b"(" * 5_000_000 + b".",
    "nested tuples": lambda: b"\x80\x04)" + b"\x85" * 5_000_000 + b".",
    "endless dictionaries": lambda: b"\x80\x04" + b"}0" * 5_000_000 + b".",
    "doubling keys": bomb_of_tuples,
    "zip bomb": lambda: zip_bytes({"a/data.pkl": b"\0" * (200 * MEGABYTE)}, zipfile.ZIP_DEFLATED),
    "symlink loop": lambda: zip_bytes({"a/data.pkl": b"b/data.pkl", "b/data.pkl": b"a/data.pkl"}, link="a/data.pkl"),
    "symlinked storage": lambda: zip_bytes({"a/data.pkl": b"\x80\x02}.", "a/data/0": b"/etc/passwd"}, link="a/data/0"),
    "two entries of one name": lambda: zip_bytes({"a/data.pkl": b"\x80\x02}."})[:-22] * 2,
    "too many entries": lambda: zip_bytes({f"a/{i}": b"" for i in range(20_001)}),
    "nothing behind the archive": lambda: b"PK\3\4" + b"\0" * 60,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_bounded_memory_and_time(tmp_path, name):
    data = BOMBS[name]()
    path = write(tmp_path / "a.pkl", data)
    del data
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as error:
        load_generator(path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < path.stat().st_size + 1024 * MEGABYTE
    assert str(path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 500


def test_one_blob_read_many_times_counts_every_time(tmp_path):
    blob = pickled_in_zip(list(range(100_000)))
    value = [nested(blob)] * 2  # the second is remembered; so call it by hand, again and again
    head = pickle.dumps(value[0], 4)
    body = head[:-1] + b"0" + b"".join([head[2:-1] + b"0"] * 30)
    with pytest.raises(CheckpointError):
        load_generator(write(tmp_path / "a.pkl", body + b"N."))


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files_are_refused(files, tmp_path, kind):
    data = files[kind][0].read_bytes()
    for share in (0.001, 0.1, 0.37, 0.5, 0.9, 0.99):
        path = write(tmp_path / "cut.bin", data[: int(len(data) * share)])
        with pytest.raises(CheckpointError, match=r"cut\.bin"):
            load_generator(path)


def test_a_header_of_ours_that_claims_giants_takes_no_memory(tmp_path):
    tensors = {"mapping.w_avg": torch.zeros(4096)}
    config = dict(max_step=8, n_fc=16, dim_latent=4096, channel_base=2**20, channel_max=2048)
    header = dict(format=FORMAT, format_version="1", checksum=checksum(rows_of(tensors)))
    for meta in (dict(kind="generator", config=config), dict(kind="generator", config={"max_step": "x"}), [], 3):
        save_file(tensors, tmp_path / "a.safetensors", {**header, "meta": json.dumps(meta)})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(CheckpointError, match=r"a\.safetensors"):
            load_generator(tmp_path / "a.safetensors")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024


FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", 0))  # 0: one short round, the same every time


def fuzzed_round(check, number, examples):
    """One round of hypothesis over check(data)."""
    options = settings(max_examples=examples, derandomize=not FUZZ_SECONDS, deadline=None, database=None)
    run = options(given(data=st.data())(check))
    (seed(number)(run) if FUZZ_SECONDS else run)()


def draw_file(data, files):
    """A file with bytes changed, cut out or doubled, or opcodes in a row."""
    kind = data.draw(st.sampled_from([*KINDS, "opcodes"]))
    if kind == "opcodes":
        opcodes = [op.code.encode("latin-1") for op in pickletools.opcodes]
        body = b"".join(data.draw(st.lists(st.sampled_from(opcodes) | st.binary(max_size=6), max_size=60)))
        return b"\x80\x04" + body + b"."
    content = bytearray(files[kind][0].read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        at = at if data.draw(st.booleans()) else at % min(len(content), 4000)
        new = data.draw(st.binary(min_size=0, max_size=9))
        content[at : at + data.draw(st.integers(0, 9))] = new
    return bytes(content)


def test_fuzzed_files_are_read_or_refused(files, tmp_path):
    """A checkpoint or a CheckpointError, nothing else; for FUZZ_SECONDS where that is set."""

    def check(data):
        path = write(tmp_path / "fuzzed", draw_file(data, files))
        try:
            assert isinstance(read_weights(path), Foreign)
        except CheckpointError as error:
            assert str(path) in str(error) and "\n" not in str(error)

    end, number = time.monotonic() + FUZZ_SECONDS, int.from_bytes(os.urandom(4), "big")
    fuzzed_round(check, number, 150 if FUZZ_SECONDS else 300)
    while time.monotonic() < end:
        number += 1
        fuzzed_round(check, number, 150)


def test_the_reader_agrees_with_pickle_on_plain_data():
    value = {"a": [1, -5, 2**40, -(2**90), 1.5, True, None, "ü"], "b": ("x", (), (1, 2, 3, 4)), 3: {"c": {}}}
    for protocol in range(6):
        assert read_pickle_file(memoryview(pickle.dumps(value, protocol))) == value
