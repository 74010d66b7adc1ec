"""Energy, gradient and Gauss–Newton curvature of one scene, derived from a list of terms. Names no term.

Every term is Σ weight · ρ(|r|²) (`terms.base`). With w = 2 · weight · ρ'(|r|²) the gradient is Σ w Jᵀr and the
curvature Σ w JᵀJ: that of the quadratic which touches the energy and lies above it, positive semi-definite whatever
the kernel (docs/method.md, "Levenberg–Marquardt"). J is the slope of the residual by its few points or parameters
(automatic) times the closed-form derivative of posed points (`terms.points`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.terms.base import Context, Elements, End, Kernel, OnBody, OnPeople, OnPoints, Term
from prosepose_jax.terms.kernels import SMALLEST
from prosepose_jax.terms.points import (
    MOVABLE,
    Kinematics,
    Rows,
    directed_gradient,
    make_kinematics,
    make_levers,
    pose_rows,
)


class Linearised(NamedTuple):
    """The energy of one scene and its quadratic model at some parameters; D numbers a person."""

    terms: jax.Array  # (T,) weighted, in the order of the terms
    gradient: jax.Array  # (P, D)
    curvature: jax.Array  # (P, D, P, D)


def flatten(params: BodyParams) -> jax.Array:
    """(P, D) what may move of each person: the fields of MOVABLE, one after the other."""
    people = params.transl.shape[0]
    return jnp.concatenate([getattr(params, name).reshape(people, -1) for name in MOVABLE], axis=-1)


def unflatten(flat: jax.Array, params: BodyParams) -> BodyParams:
    """The reverse of `flatten`; what does not move is taken from `params`."""
    out, first = {}, 0
    for name in MOVABLE:
        leaf = getattr(params, name)
        size = int(np.prod(leaf.shape[1:]))
        out[name] = flat[:, first : first + size].reshape(leaf.shape)
        first += size
    return dataclasses.replace(params, **out)


def _flatten_one(params: BodyParams) -> jax.Array:
    return jnp.concatenate([getattr(params, name).reshape(-1) for name in MOVABLE])


def _unflatten_one(flat: jax.Array, params: BodyParams) -> BodyParams:
    return jax.tree.map(lambda x: x[0], unflatten(flat[None], jax.tree.map(lambda x: x[None], params)))


def pose_trees(body: BodyModel, params: BodyParams) -> Kinematics:
    """The posed trees of P people, leaves (P, …)."""
    return jax.vmap(lambda p: make_kinematics(body, p))(params)


def term_energy(term: Term, context: Context, kin: Kinematics, scale: jax.Array) -> jax.Array:
    """() unweighted energy of one term."""
    total = jnp.zeros((), jnp.float32)
    for part in term.elements(context):
        if isinstance(part, OnBody):
            values = jax.vmap(part.residual)(context.params, part.data)
            total = total + jnp.sum(part.kernel(values * values, scale)) + _constant(part, context)
        elif isinstance(part, OnPeople):
            values = part.residual(context.params, part.data)
            total = total + jnp.sum(part.kernel(values * values, scale))
        elif isinstance(part, OnPoints):
            values = part.residual(jax.vmap(pose_rows)(part.rows, kin), part.data)
            total = total + jnp.sum(part.kernel(values * values, scale))
        else:
            total = total + elements_energy(part, jnp.stack([_points(end, kin) for end in part.ends], axis=-2), scale)
    return total


def elements_energy(part: Elements, points: jax.Array, scale: jax.Array) -> jax.Array:
    """() energy of elements whose points (G, R, m, 3) are posed."""
    residual = jax.vmap(jax.vmap(part.residual))(points, part.data)
    return jnp.sum(part.weight * part.kernel(jnp.sum(residual * residual, axis=-1), scale))


def term_linearised(term: Term, context: Context, kin: Kinematics, scale: jax.Array) -> Linearised:
    """Unweighted energy (), gradient and curvature of one term."""
    people, size = flatten(context.params).shape
    found = Linearised(jnp.zeros(()), jnp.zeros((people, size)), jnp.zeros((people, size, people, size)))
    for part in term.elements(context):
        if isinstance(part, OnBody):
            found = _linearise_on_body(part, context, scale, found)
        elif isinstance(part, OnPeople):
            found = _linearise_on_people(part, context, scale, found)
        elif isinstance(part, OnPoints):
            found = _linearise_on_points(part, context, kin, scale, found)
        else:
            found = _linearise_elements(part, context, kin, scale, found)
    return found


def _constant(part: OnBody, context: Context) -> jax.Array:
    if part.constant is None:
        return jnp.zeros(())
    return jnp.sum(jax.vmap(part.constant)(context.params, part.data))


def _people(kin: Kinematics, whose: Sequence[int]) -> Kinematics:
    """The trees of these people; not copied when they are all of them in order."""
    if tuple(whose) == tuple(range(kin.betas.shape[0])):
        return kin
    return jax.tree.map(lambda x: x[np.array(whose)], kin)


def _points(end: End, kin: Kinematics) -> jax.Array:
    """(G, R, 3)."""
    points = jax.vmap(pose_rows)(end.rows, _people(kin, end.whose))
    return points if end.share is None else jnp.einsum("rp,prx->rx", end.share, points)[None]


def _slopes(kernel: Kernel, squared: jax.Array, scale: jax.Array) -> jax.Array:
    """ρ' at every element."""
    return jax.vjp(lambda s: kernel(s, scale), squared)[1](jnp.ones_like(squared))[0]


def held_slopes(part: Elements, squared: jax.Array, scale: jax.Array) -> jax.Array:
    """ρ' at every element, its pull ρ' |r| divided by no less than the part's floor."""
    if not part.floor:
        return _slopes(part.kernel, squared, scale)
    seen = jnp.maximum(squared, SMALLEST)
    length = jnp.sqrt(seen)
    return _slopes(part.kernel, seen, scale) * length / jnp.maximum(length, part.floor)


def _linearise_elements(
    part: Elements, context: Context, kin: Kinematics, scale: jax.Array, found: Linearised
) -> Linearised:
    parents = context.body.parents
    trees = [_people(kin, end.whose) for end in part.ends]
    levers = [
        jax.vmap(lambda r, k: make_levers(parents, r, k))(end.rows, t) for end, t in zip(part.ends, trees, strict=True)
    ]

    def owned(end: End, points: jax.Array) -> jax.Array:
        return points if end.share is None else jnp.einsum("rp,prx->rx", end.share, points)[None]

    points = jnp.stack(
        [owned(e, lever.points) for e, lever in zip(part.ends, levers, strict=True)], axis=-2
    )  # (G, R, m, 3)

    def local(points: jax.Array, data) -> tuple[jax.Array, jax.Array]:
        value = part.residual(points, data)
        return value, value

    slope, residual = jax.vmap(jax.vmap(jax.jacrev(local, has_aux=True)))(points, part.data)  # (G,R,k,m,3), (G,R,k)
    squared = jnp.sum(residual * residual, axis=-1)
    energy = jnp.sum(part.weight * part.kernel(squared, scale))
    weight = 2.0 * part.weight * held_slopes(part, squared, scale)

    def columns(end: End, tree: Kinematics, lever, directions: jax.Array) -> jax.Array:
        """(G, k, D, R) of known people, else (P, k, D, R): how the residual moves with each person's numbers."""
        if end.share is not None:
            directions = directions * end.share.T[:, None, None]

        def one(rows, tree, lever, directions):
            return jax.vmap(lambda d: directed_gradient(rows, tree, lever, d))(directions)

        return jax.vmap(one)(end.rows, tree, lever, directions)

    directions = slope.transpose(3, 0, 2, 4, 1)  # (m, G, k, 3, R)
    every = [columns(e, t, lever, mine) for e, t, lever, mine in zip(part.ends, trees, levers, directions, strict=True)]
    people, size = found.gradient.shape
    whose = part.ends[0].whose
    errors = residual.transpose(0, 2, 1)  # (G, k, R)
    if all(end.share is None and end.whose == whose for end in part.ends):  # one body an element
        jac = sum(every[1:], every[0])
        heavy = weight[:, None, None] * jac
        return Linearised(
            found.terms + energy,
            found.gradient + _by_person(jnp.einsum("gkdr,gkr->gd", heavy, errors), whose, people),
            found.curvature + _on_diagonal(_by_person(jnp.einsum("gkdr,gker->gde", heavy, jac), whose, people)),
        )
    nobody = jnp.zeros((errors.shape[1], size, errors.shape[2]), residual.dtype)
    known = [(end.whose, mine) for end, mine in zip(part.ends, every, strict=True) if end.share is None]

    def of_group(group: int) -> jax.Array:
        """(k, P D, R)."""
        return jnp.concatenate(
            [sum((mine[group] for whose, mine in known if whose[group] == q), nobody) for q in range(people)], axis=1
        )

    jac = jnp.stack([of_group(group) for group in range(len(residual))])  # (G, k, P D, R)
    for end, mine in zip(part.ends, every, strict=True):
        if end.share is not None:
            jac = jac + mine.transpose(1, 0, 2, 3).reshape(1, *jac.shape[1:])
    heavy = weight[:, None, None] * jac
    return Linearised(
        found.terms + energy,
        found.gradient + jnp.einsum("gkdr,gkr->d", heavy, errors).reshape(people, size),
        found.curvature + jnp.einsum("gkdr,gker->de", heavy, jac).reshape(people, size, people, size),
    )


def _linearise_on_body(part: OnBody, context: Context, scale: jax.Array, found: Linearised) -> Linearised:
    values = jax.vmap(part.residual)(context.params, part.data)
    energy = jnp.sum(part.kernel(values * values, scale)) + _constant(part, context)
    size = found.gradient.shape[-1]
    if part.quadratic is not None:
        pull, blocks = _from_quadratic(part, context.params, size)
    else:

        def derived(params: BodyParams, data) -> tuple[jax.Array, jax.Array]:
            def local(flat: jax.Array) -> tuple[jax.Array, jax.Array]:
                value = part.residual(_unflatten_one(flat, params), data)
                return value, value

            jac, value = jax.jacfwd(local, has_aux=True)(_flatten_one(params))
            weight = 2.0 * _slopes(part.kernel, value * value, scale)
            return (weight * value) @ jac, (weight[:, None] * jac).T @ jac

        pull, blocks = jax.vmap(derived)(context.params, part.data)
    return Linearised(found.terms + energy, found.gradient + pull, found.curvature + _on_diagonal(blocks))


def _linearise_on_people(part: OnPeople, context: Context, scale: jax.Array, found: Linearised) -> Linearised:
    def local(flat: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = part.residual(unflatten(flat, context.params), part.data)
        return value, value

    jac, value = jax.jacrev(local, has_aux=True)(flatten(context.params))  # (k, P, D)
    return _added(found, part.kernel, jac, value, scale)


def _linearise_on_points(
    part: OnPoints, context: Context, kin: Kinematics, scale: jax.Array, found: Linearised
) -> Linearised:
    def moved(rows: Rows, tree: Kinematics) -> tuple[jax.Array, jax.Array]:
        """(R, 3) the points and (3, D, R) how each coordinate of them moves."""
        levers = make_levers(context.body.parents, rows, tree)
        ways = jnp.broadcast_to(jnp.eye(3)[:, :, None], (3, *levers.points.T.shape))
        return levers.points, jax.vmap(lambda way: directed_gradient(rows, tree, levers, way))(ways)

    def local(points: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = part.residual(points, part.data)
        return value, value

    points, by_numbers = jax.vmap(moved)(part.rows, kin)
    slope, value = jax.jacrev(local, has_aux=True)(points)  # (k, P, R, 3)
    return _added(found, part.kernel, jnp.einsum("kprx,pxdr->kpd", slope, by_numbers), value, scale)


def _added(found: Linearised, kernel: Kernel, jac: jax.Array, value: jax.Array, scale: jax.Array) -> Linearised:
    """With k more numbers (k,) whose slopes by everybody's parameters are (k, P, D)."""
    squared = value * value
    weight = 2.0 * _slopes(kernel, squared, scale)
    heavy = weight[:, None, None] * jac
    return Linearised(
        found.terms + jnp.sum(kernel(squared, scale)),
        found.gradient + jnp.einsum("kpd,k->pd", heavy, value),
        found.curvature + jnp.einsum("kpd,kqe->pdqe", heavy, jac),
    )


def _from_quadratic(part: OnBody, params: BodyParams, size: int) -> tuple[jax.Array, jax.Array]:
    assert part.quadratic is not None
    people = params.transl.shape[0]
    fields = jax.vmap(part.quadratic)(params, part.data)
    pulls, rows, first = [], [], 0
    for name in MOVABLE:
        length = int(np.prod(getattr(params, name).shape[1:]))
        nothing = jnp.zeros((people, length)), jnp.zeros((people, length))
        gradient, curvature = fields.get(name, nothing)
        if curvature.ndim == 2:  # (P, n): a diagonal
            curvature = curvature[..., None] * jnp.eye(length, dtype=curvature.dtype)[None]
        pulls.append(gradient)
        rows.append(jnp.pad(curvature, ((0, 0), (0, 0), (first, size - first - length))))
        first += length
    return jnp.concatenate(pulls, axis=1), jnp.concatenate(rows, axis=1)


# Blocks are put together by stacking: scattering them into zeros takes XLA longer on a CPU than computing them.
def _by_person(values: jax.Array, whose: Sequence[int], people: int) -> jax.Array:
    """(P, …) sums of the groups' values (G, …)."""
    if tuple(whose) == tuple(range(people)):
        return values
    nobody = jnp.zeros(values.shape[1:], values.dtype)
    return jnp.stack([sum((values[g] for g, p in enumerate(whose) if p == q), nobody) for q in range(people)])


def _on_diagonal(blocks: jax.Array) -> jax.Array:
    """(P, D, P, D) of everybody's own block (P, D, D)."""
    return blocks[:, :, None] * jnp.eye(len(blocks), dtype=blocks.dtype)[:, None, :, None]
