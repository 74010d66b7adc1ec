"""The restricted unpickler: reads what body files hold, runs nothing, refuses the rest by name."""

from __future__ import annotations

import builtins
import collections
import io
import os
import pickle
import pickletools
import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.sparse

from prosepose_jax.body import _unpickle
from prosepose_jax.body._unpickle import load_fields, loads, safe_load, to_plain
from prosepose_jax.errors import InputError


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "args", "named"),
    [
        (os.system, ("touch {}",), "system"),
        (builtins.eval, ("open({!r}, 'w')",), "eval"),
        (builtins.exec, ("open({!r}, 'w')",), "exec"),
        (builtins.__import__, ("os",), "__import__"),
        (builtins.getattr, (np, "load"), "getattr"),
        (subprocess.check_call, (["touch", "{}"],), "check_call"),
        (np.load, ("{}",), "numpy.load"),
        (np.fromfile, ("{}",), "numpy.fromfile"),
        (np.save, ("{}", 1), "numpy.save"),
        (pickle.loads, (b"N.",), "loads"),
        (collections.defaultdict, (), "defaultdict"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_code_is_refused_by_name_and_never_run(tmp_path, function, args, named, nested, protocol) -> None:
    target = tmp_path / "touched"
    filled = tuple(
        a.format(str(target))
        if isinstance(a, str)
        else [i.format(str(target)) for i in a]
        if isinstance(a, list)
        else a
        for a in args
        if not isinstance(a, types.ModuleType)
    )
    bad = Calls(function, *filled)
    data = pickle.dumps({"f": [({"x": bad},)]} if nested else bad, protocol=protocol)
    with pytest.raises(InputError, match=named) as caught:
        loads(data, "evil.pkl")
    assert "evil.pkl" in str(caught.value)
    assert not target.exists()


def _global(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


@pytest.mark.parametrize(
    "body",
    [
        _global("numpy.core.multiarray", "_reconstruct.__globals__"),
        _global("chumpy.ch", "Ch.__init__"),
        _global("chumpy.os", "system"),
        _global("prosepose_jax.body._unpickle", "loads"),
        _global("os", "system") + b"(S'true'\ntR",
        b"(ios\nsystem\n",  # INST
        b"\x80\x02\x82\x01",  # EXT1
        b"Ppersistent\n",
    ],
)
def test_names_outside_the_table_are_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="refused|not a readable"):
        loads(body + b".", "evil.pkl")


def test_stand_ins_cannot_be_altered_by_a_pickle() -> None:
    before = dict(vars(_unpickle._Ch)), _unpickle._reconstruct.__defaults__
    attacks = [
        _global("chumpy.ch", "Ch") + b"(dS'numpy'\nI1\nsb.",  # BUILD on the class
        _global("chumpy.ch", "Ch") + b"(N(dS'numpy'\nI1\nstb.",  # with slot state
        _global("numpy.core.multiarray", "_reconstruct") + b"(N(dS'__defaults__'\n(tstb.",
        _global("numpy.core.multiarray", "_reconstruct") + b"(dS'_function'\nI1\nsb.",
    ]
    for attack in attacks:
        pickletools.dis(attack, out=io.StringIO())  # the attack itself must be well-formed
        with pytest.raises(InputError):
            loads(attack, "evil.pkl")
    assert (dict(vars(_unpickle._Ch)), _unpickle._reconstruct.__defaults__) == before


@pytest.mark.parametrize("cut", [0, 1, 10, 60, -1])
def test_truncated_pickles_say_so(cut: int) -> None:
    data = pickle.dumps({"v_template": np.zeros((4, 3))}, protocol=2)
    with pytest.raises(InputError, match="body.pkl.*pickle"):
        loads(data[:cut], "body.pkl")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float64).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.arange(3, dtype=">u4"),
        np.array([2**32 - 1, 5], np.uint32),
        np.zeros((0, 3)),
        np.array(1.5),
        np.array(["ab", "c"]),
        np.array([True, False]),
        np.array([1, "two", None], dtype=object),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_arrays_of_any_protocol_and_numpy_version(array: np.ndarray, protocol: int) -> None:
    data = pickle.dumps({"x": array, "scalar": np.float64(2.5)}, protocol=protocol)
    for variant in {data, data.replace(b"numpy._core", b"numpy.core")}:
        if variant is not data and protocol >= 4:
            continue  # lengths are stored in frames there: renaming by bytes breaks the file
        fields = load_fields(variant, "body.pkl")
        assert fields["x"].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(fields["x"], array)
        assert float(fields["scalar"]) == 2.5


def test_latin1_arrays_of_python_2() -> None:
    # As Python 2 writes it: byte strings with every value of a byte.
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01M\x00\x01\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T\x00\x01\x00\x00" + bytes(range(256)) + b"tb."
    )
    np.testing.assert_array_equal(to_plain(loads(data, "py2.pkl")), np.arange(256, dtype=np.uint8))


@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_sparse_matrices_without_scipy(layout: str, kind: str) -> None:
    dense = np.array([[0.0, 2.0, 0.0, 0.5], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]])
    data = pickle.dumps({"J_regressor": getattr(scipy.sparse, f"{layout}_{kind}")(dense)}, protocol=2)
    blocked = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "scipy"}
    try:
        for name in blocked:
            sys.modules[name] = None  # type: ignore[assignment] - any import of scipy would now fail
        for variant in (data, data.replace(b"scipy.sparse._", b"scipy.sparse.")):
            np.testing.assert_array_equal(load_fields(variant, "body.pkl")["J_regressor"], dense)
    finally:
        sys.modules.update(blocked)


def test_broken_sparse_matrix_is_named() -> None:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.indices = np.array([0, 1, 700], np.int32)
    with pytest.raises(InputError, match="J_regressor.*outside its shape"):
        load_fields(pickle.dumps({"J_regressor": matrix}, protocol=2), "body.pkl")["J_regressor"]


@pytest.fixture
def chumpy_pickle(monkeypatch):
    """Pickles objects the way chumpy does, with a stand-in chumpy that vanishes before reading."""

    def dump(build) -> bytes:
        modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}

        def make(name: str, module: str) -> type:
            cls = type(name, (), {"__module__": module})
            setattr(modules[module], name, cls)
            return cls

        classes = make("Ch", "chumpy.ch"), make("Select", "chumpy.reordering"), make("MatVecMult", "chumpy.ch")
        with monkeypatch.context() as patch:
            for name, module in modules.items():
                patch.setitem(sys.modules, name, module)
            return pickle.dumps(build(*classes), protocol=2)

    return dump


def _with(cls: type, **state) -> object:
    item = cls()
    item.__dict__.update(state)
    return item


def test_chumpy_arrays(chumpy_pickle) -> None:
    values = np.arange(12.0).reshape(4, 3)

    def build(ch, select, _):
        leaf = _with(ch, x=values, _dirty_vars={"x"}, _itr=None, _parents={}, _cache={"drs": {}})
        part = _with(select, a=leaf, idxs=np.array([5, 0]), preferred_shape=(1, 2), _parents={})
        return {"v_template": leaf, "part": part}

    fields = load_fields(chumpy_pickle(build), "SMPL.pkl")
    np.testing.assert_array_equal(fields["v_template"], values)
    np.testing.assert_array_equal(fields["part"], [[5.0, 0.0]])
    assert "chumpy" not in sys.modules


def test_other_chumpy_classes_are_refused_by_name(chumpy_pickle) -> None:
    with pytest.raises(InputError, match="chumpy.ch.MatVecMult"):
        loads(chumpy_pickle(lambda ch, select, other: {"v": _with(other, x=1)}), "SMPL.pkl")


def test_safe_load_gives_plain_containers(tmp_path) -> None:
    content = {np.int64(3): np.array([1, 2]), 4: {1, 5}, "5": [np.int32(7), (8,)], 6: collections.OrderedDict(a=1)}
    (tmp_path / "regions.pkl").write_bytes(pickle.dumps(content, protocol=2))
    found = safe_load(tmp_path / "regions.pkl")
    assert set(found) == {3, 4, "5", 6}
    np.testing.assert_array_equal(found[3], [1, 2])
    assert found[4] == {1, 5} and found["5"] == [7, (8,)] and found[6] == {"a": 1}


def test_self_containing_pickle_ends(tmp_path) -> None:
    loop: list = []
    loop.append(loop)
    (tmp_path / "loop.pkl").write_bytes(pickle.dumps(loop))
    with pytest.raises(InputError, match="contains itself"):
        safe_load(tmp_path / "loop.pkl")
