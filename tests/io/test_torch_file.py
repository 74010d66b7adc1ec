"""torch.save files without PyTorch: both containers (tests/diffusion/make_goldens.py), and files made to do harm."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io.torch_file import TorchTensor, load_torch_file

DATA = Path(__file__).resolve().parents[1] / "data"
FILES = [DATA / "torch_zip.pt", DATA / "torch_stream.pt"]


@pytest.fixture(params=FILES, ids=["zip", "stream"])
def content(request):
    return load_torch_file(request.param)


def test_all_number_types_and_views(content):
    parts = {name: tensor.numpy() for name, tensor in content["parts"].items()}
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    wanted = {
        "base": base, "turned": base.T, "part": base[1:3, 2:5], "last": base[3], "scalar": np.float32(2.5),
        "none": np.zeros((0, 3), np.float32), "parameter": np.array([1, 2], np.float32),
        "spread": np.full((2, 4), 3, np.float32), "double": np.array([1e-300]), "half": np.array([0.5], np.float16),
        "brain": np.array([-1.5], np.float32), "long": np.array([-(2**60)]), "byte": np.array([255], np.uint8),
        "flags": np.array([True, False]),
    }  # fmt: skip
    assert parts.keys() == wanted.keys()
    for name, value in wanted.items():
        assert parts[name].dtype == value.dtype and parts[name].shape == value.shape, name
        np.testing.assert_array_equal(parts[name], value, err_msg=name)


def test_containers_and_the_optimiser(content):
    assert content["epoch"] == 7 and content["text"] == ["α", "b", (1, 2.5, None, True)]
    np.testing.assert_array_equal(content["model"]["weight"].numpy(), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(content["model"]["bias"].numpy(), [0.5, -0.5])
    assert content["optimizer"]["param_groups"][0]["lr"] == 1e-4
    assert isinstance(content["optimizer"]["state"][0]["exp_avg"], TorchTensor)


@pytest.mark.parametrize("file", FILES, ids=["zip", "stream"])
def test_a_file_cut_short_anywhere_is_an_input_error(file, tmp_path):
    data = file.read_bytes()
    for length in range(0, len(data) - 1, 97):
        (tmp_path / "cut.pt").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cut\.pt"):
            found = load_torch_file(tmp_path / "cut.pt")
            for tensor in found["parts"].values():
                tensor.numpy()


@pytest.mark.parametrize("file", FILES, ids=["zip", "stream"])
def test_flipped_bytes_never_raise_anything_else(file, tmp_path):
    data = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            broken[place] = rng.integers(0, 256)
        (tmp_path / "odd.pt").write_bytes(bytes(broken))
        try:
            found = load_torch_file(tmp_path / "odd.pt")
            for tensor in found.get("parts", {}).values() if isinstance(found, dict) else ():
                if isinstance(tensor, TorchTensor):
                    tensor.numpy()
        except InputError:
            pass


def _zip(path: Path, data: bytes, members: dict[str, bytes] | None = None, packed: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in ({"a/data.pkl": data} | (members or {})).items():
            archive.writestr(name, content)
    return path


class _Evil:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_code_is_refused_and_not_run(tmp_path, protocol):
    mark = tmp_path / "ran"
    file = _zip(tmp_path / "evil.pt", pickle.dumps({"model": _Evil(mark)}, protocol=protocol))
    with pytest.raises(InputError, match="evil.pt: refused"):
        load_torch_file(file)
    assert not mark.exists()


def _tensor_pickle(elements: int, offset: int, size: tuple, stride: tuple) -> bytes:
    """A tensor as torch pickles it, by hand."""

    def numbers(values: tuple) -> bytes:
        return b"(" + b"".join(b"L%dL\n" % value for value in values) + b"t"

    storage = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nL%dL\ntQ" % elements
    arguments = b"(" + storage + b"L%dL\n" % offset + numbers(size) + numbers(stride) + b"I00\n}t"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R."


def test_a_tensor_made_by_hand(tmp_path):
    numbers = np.arange(6, dtype=np.float32)
    file = _zip(tmp_path / "a.pt", _tensor_pickle(6, 1, (2, 2), (3, 1)), {"a/data/0": numbers.tobytes()})
    np.testing.assert_array_equal(load_torch_file(file).numpy(), [[1, 2], [4, 5]])


@pytest.mark.parametrize(
    ("elements", "offset", "size", "stride", "message"),
    [
        (6, 0, (7,), (1,), "reaches to element 6"),
        (6, 5, (2,), (1,), "reaches to element 6"),
        (6, 0, (2,), (1, 1), "with stride"),
        (6, 0, (-1,), (1,), "non-negative"),
        (1, 0, (1 << 20, 1 << 20), (0, 0), "impossible size"),
    ],
)
def test_extents_beyond_the_storage_are_refused(tmp_path, elements, offset, size, stride, message):
    file = _zip(tmp_path / "a.pt", _tensor_pickle(elements, offset, size, stride), {"a/data/0": bytes(24)})
    with pytest.raises(InputError, match=message):
        load_torch_file(file)


def test_storages_missing_short_or_packed_are_named(tmp_path):
    data = _tensor_pickle(6, 0, (6,), (1,))
    with pytest.raises(InputError, match="expected the member a/data/0, found none"):
        load_torch_file(_zip(tmp_path / "a.pt", data)).numpy()
    with pytest.raises(InputError, match="expected 24 bytes, found 8"):
        load_torch_file(_zip(tmp_path / "b.pt", data, {"a/data/0": bytes(8)})).numpy()
    with pytest.raises(InputError, match="compressed"):
        load_torch_file(_zip(tmp_path / "c.pt", data + bytes(99), packed=True))


def test_a_memo_bomb_is_refused(tmp_path):
    with pytest.raises(InputError, match="memo index"):
        load_torch_file(_zip(tmp_path / "a.pt", b"\x80\x02]r\xff\xff\xff\x7f."))


def test_other_files_are_named(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(InputError, match="text.pt: expected a file written by torch.save"):
        load_torch_file(tmp_path / "text.pt")
    with pytest.raises(InputError, match="missing.pt: no such file"):
        load_torch_file(tmp_path / "missing.pt")
    _zip(tmp_path / "x.pt", b"").rename(tmp_path / "y.pt")
    with pytest.raises(InputError, match="y.pt"):
        load_torch_file(tmp_path / "y.pt")
