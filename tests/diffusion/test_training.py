"""Training the pair prior: what is compared, what is drawn, going on, and the command."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fabricated_run import made_scene

from prosepose_jax.apps.main import main
from prosepose_jax.body import BodyParams
from prosepose_jax.diffusion import Buddi, Pair, PairSet, Trainer, Training, from_params, held_out_loss, load_buddi
from prosepose_jax.diffusion.training import dropped, exchanged, prediction_errors, total_loss
from prosepose_jax.errors import InputError
from prosepose_jax.io import save_scene

TINY = Buddi(width=16, layers=1, heads=2, hidden=8, dropout=0.0)
SOME = Training(batch=8, learning_rate=3e-3)


def people(count: int, seed: int = 0) -> Pair:
    """Pairs that are alike: one stands half a metre beside the other, both with bent elbows."""
    rng = np.random.default_rng(seed)
    pose = np.zeros((count, 2, 21, 3), np.float32)
    pose[:, :, 17:19, 1] = 1.0
    params = BodyParams.zeros(2).replace(
        global_orient=jnp.asarray(rng.normal((np.pi, 0, 0), 0.05, (count, 2, 3)), jnp.float32),
        body_pose=jnp.asarray(pose + rng.normal(0, 0.05, pose.shape), jnp.float32),
        betas=jnp.asarray(rng.normal(0, 0.5, (count, 2, 10)), jnp.float32),
        transl=jnp.asarray(rng.normal(((0, 0, 3), (0.5, 0, 3)), 0.02, (count, 2, 3)), jnp.float32),
        kid_scale=jnp.zeros((count, 2)),
    )
    return jax.jit(from_params)(params)


@pytest.fixture(scope="module")
def pairs() -> PairSet:
    return PairSet(people(32))


def _trainer(pairs: PairSet, network: Buddi = TINY) -> Trainer:
    return Trainer(network, pairs, SOME, jax.devices()[:1])


def test_errors_by_hand() -> None:
    clean = jax.tree.map(lambda x: x[:3], people(3))
    turned = dataclasses.replace(clean, transl=clean.transl.at[:, 1, 0].add(0.5), shape=clean.shape.at[..., 2].add(2.0))
    # The first joint of person 0 half a turn about z: its first two axes change sign, each a difference of 2.
    half = clean.pose.at[:, 0, :6].set(-clean.pose[:, 0, :6])
    found = jax.jit(prediction_errors)(dataclasses.replace(turned, pose=half), clean)
    expected = {"orient": 0.0, "pose": 8.0 / 2, "betas": 4.0, "kid": 0.0, "transl": 0.25 / 2}  # means over people
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, abs=1e-5)
    assert float(total_loss(found, Training())) == pytest.approx(10 * 4.0 + 0.1 * 4.0 + 200 * 0.125, rel=1e-5)


def test_exchanged_and_dropped(pairs: PairSet) -> None:
    some = pairs.of(np.arange(4))
    turned = jax.jit(exchanged)(some, jnp.array([True, False, True, False]))
    np.testing.assert_array_equal(turned.clean.transl[0], some.clean.transl[0, ::-1])
    np.testing.assert_array_equal(turned.clean.pose[1], some.clean.pose[1])
    full = jax.tree.map(jnp.ones_like, people(4000))
    found = jax.jit(dropped, static_argnums=2)(full, jax.random.key(0), Training())
    kept = np.stack(
        [np.asarray(getattr(found, part))[..., 0] for part in ("orient", "pose", "shape", "transl")], axis=-1
    )
    per_pair = kept.reshape(len(kept), -1).mean(axis=1)
    assert (per_pair == 0).mean() == pytest.approx(0.2, abs=0.03)
    assert (per_pair == 1).mean() == pytest.approx(0.7, abs=0.03)
    assert set(np.unique(kept)) == {0.0, 1.0}


@pytest.mark.heavy
def test_loss_falls_and_cuts_change_nothing(pairs: PairSet) -> None:
    trainer, held_out = _trainer(pairs), PairSet(people(16, seed=1))
    judge = jax.jit(lambda w: held_out_loss(TINY, w, trainer.schedule, held_out, jax.random.key(1), SOME))
    start = trainer.begin(3)
    whole, _ = trainer.run(start, 120)
    assert float(judge(whole.average)) < 0.6 * float(judge(start.average))
    parts = start
    for _ in range(2):
        parts, found = trainer.run(parts, 60)
    assert int(parts.step) == 120 and np.isfinite(found["loss"])
    for a, b in zip(jax.tree.leaves(parts.weights), jax.tree.leaves(whole.weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_conditional_network_needs_estimates(pairs: PairSet) -> None:
    network = dataclasses.replace(TINY, conditional=True)
    with pytest.raises(ValueError, match="estimates"):
        _trainer(pairs, network)
    with pytest.raises(ValueError, match="cannot be shared"):
        Trainer(TINY, pairs, Training(batch=3), jax.devices() * 2)


@pytest.fixture
def scenes(tmp_path):
    """Twelve scenes of two known people, and one of one."""
    rng = np.random.default_rng(0)
    for number in range(13):
        count = 1 if number == 12 else 2
        scene = made_scene(f"s{number:02d}", count)
        truth = {
            "gt_global_orient": rng.normal(0, 0.1, (count, 3)), "gt_body_pose": rng.normal(0, 0.2, (count, 21, 3)),
            "gt_betas": rng.normal(0, 1, (count, 10)), "gt_transl": rng.normal((0, 0, 3), 0.3, (count, 3)),
        }  # fmt: skip
        save_scene(tmp_path / "scenes", dataclasses.replace(scene, keypoints=np.ones((count, 25, 3)), **truth))
    return tmp_path / "scenes"


@pytest.mark.heavy
def test_the_command_trains_goes_on_and_writes_a_prior(scenes, tmp_path, capsys) -> None:
    def run(workdir: str, *more: str) -> tuple[int, str]:
        sizes = ("--batch=4", "--width=16", "--layers=1", "--heads=2", "--hidden=8", "--save_every=3")
        status = main(
            ["prosepose", "train-prior", f"--scenes={scenes}", f"--workdir={tmp_path / workdir}", *sizes, *more]
        )
        return status, capsys.readouterr().err

    assert [run("whole", "--steps=6")[0], run("parts", "--steps=3")[0], run("parts", "--steps=6")[0]] == [0, 0, 0]
    whole, parts = (load_buddi(tmp_path / name / "prior.npz", conditional=False) for name in ("whole", "parts"))
    assert whole.network == Buddi(width=16, layers=1, heads=2, hidden=8) and whole.unused == ()
    for a, b in zip(jax.tree.leaves(whole.weights), jax.tree.leaves(parts.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    lines = [json.loads(line) for line in (tmp_path / "parts" / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6] and all(line["held_out"] > 0 for line in lines)
    status, error = run("parts", "--steps=6", "--learning_rate=0.5")
    assert status == 2 and "another learning_rate" in error
    (tmp_path / "parts" / "state.msgpack").write_bytes(b"torn")
    status, error = run("parts", "--steps=9")
    assert status == 2 and "not a training's state" in error
    with pytest.raises(InputError, match="without guidance.*conditional=false"):
        load_buddi(tmp_path / "whole" / "prior.npz", conditional=True)


def test_pairs_of_the_same_people_are_held_out_together(tmp_path, monkeypatch) -> None:
    from prosepose_jax.apps import train_prior

    rng, source = np.random.default_rng(0), np.repeat(np.arange(20), 3)
    place = np.zeros((60, 2, 3), np.float32)
    place[:, 1, 0] = source  # tells whose pair it is
    pairs = {
        "global_orient": rng.normal(size=(60, 2, 3)), "body_pose": rng.normal(size=(60, 2, 21, 3)),
        "betas": rng.normal(size=(60, 2, 10)), "kid_scale": np.zeros((60, 2)), "transl": place, "source": source,
    }  # fmt: skip
    np.savez(tmp_path / "pairs.npz", **pairs)

    def read(file: str):
        flags = flags_of(train_prior.FLAGS, [f"--pairs={tmp_path / file}"])
        monkeypatch.setattr(train_prior, "FLAGS", flags)
        return train_prior._pairs()

    learnt, held_out, _ = read("pairs.npz")
    mine, theirs = (set(np.asarray(found.clean.transl)[:, 1, 0].tolist()) for found in (learnt, held_out))
    assert (learnt.size, held_out.size) == (54, 6) and not mine & theirs and len(theirs) == 2
    np.savez(tmp_path / "short.npz", **pairs | {"source": source[:-1]})
    with pytest.raises(InputError, match="short.npz.*global_orient.*59 sources, found 60"):
        read("short.npz")


def flags_of(defined, words: list[str]):
    """A verb's flags as a command line sets them."""
    import copy

    flags = copy.deepcopy(defined)
    flags.unparse_flags()
    flags(["prosepose", "--scenes=", "--noconditional", "--seed=0", *words])
    return flags


def test_bad_usage(tmp_path, capsys) -> None:
    def refused(*flags: str) -> str:
        assert main(["prosepose", "train-prior", *flags]) == 2
        return capsys.readouterr().err

    assert "--scenes is missing" in refused(f"--workdir={tmp_path}")
    assert "no estimates to guide" in refused("--pairs=x", f"--workdir={tmp_path}", "--conditional")
    assert "--width=20" in refused("--scenes=x", f"--workdir={tmp_path}", "--width=20")
    scene = dataclasses.replace(made_scene("a"), keypoints=np.ones((2, 25, 3)))
    save_scene(tmp_path / "few", scene)
    assert "10 scenes or more" in refused(f"--scenes={tmp_path / 'few'}", f"--workdir={tmp_path / 'w'}")


@pytest.fixture(scope="module")
def weights() -> Any:
    return jax.jit(TINY.init)(jax.random.key(0), Pair.zeros(), jnp.int32(0), None)["params"]


@pytest.mark.parametrize("field", ["width", "heads", "weights/layer_0/norm1/scale"])
def test_a_damaged_prior_is_named(field: str, weights: Any, tmp_path) -> None:
    from prosepose_jax.diffusion import save_prior

    file = save_prior(tmp_path / "prior.npz", TINY, weights)
    arrays = dict(np.load(file))
    arrays[field] = np.float32(-3)
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=f"prior.npz.*{field}"):
        load_buddi(file, conditional=False)
