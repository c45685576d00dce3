"""JAX: lax.scan over the steps under jit, the input's products outside the loop, gradients by jax.grad."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from cases import Case
from jax import lax
from problem import Gradients, Problem, Runs

Weights = dict[str, jax.Array]


def runs(problem: Problem) -> Runs:
    weights = {name: jnp.asarray(weight.numpy()) for name, weight in problem.weights.items()}
    x, cotangent = jnp.asarray(problem.x.numpy()), jnp.asarray(problem.cotangent.numpy())
    forward = jax.jit(partial(_forward, problem.case))
    gradient = jax.jit(jax.grad(lambda w, x, d: jnp.sum(_forward(problem.case, w, x) * d), argnums=(0, 1)))

    def infer() -> jax.Array:
        return forward(weights, x).block_until_ready()

    def train() -> Gradients:
        of_weights, of_x = jax.block_until_ready(gradient(weights, x, cotangent))
        return {**of_weights, "x": of_x}

    return Runs(infer, train)


def _forward(case: Case, weights: Weights, x: jax.Array) -> jax.Array:
    for level in range(case.layers):
        suffixes = [f"_l{level}", f"_l{level}_reverse"][: case.directions]
        x = jnp.concatenate([_direction(case, weights, suffix, x) for suffix in suffixes], axis=2)
    return x


def _direction(case: Case, weights: Weights, suffix: str, x: jax.Array) -> jax.Array:
    of_input, recurrent = weights["weight_ih" + suffix], weights["weight_hh" + suffix]
    b_input, b_recurrent = weights["bias_ih" + suffix], weights["bias_hh" + suffix]
    z = x @ of_input.T + b_input
    if case.cell != "GRU":  # In a GRU the reset gate multiplies the second bias.
        z = z + b_recurrent
    zeros = jnp.zeros((case.B, case.H), x.dtype)
    step = partial(STEPS[case.cell], recurrent, b_recurrent)
    _, output = lax.scan(step, (zeros, zeros) if case.cell == "LSTM" else zeros, z, reverse=suffix.endswith("reverse"))
    return output


def _rnn(W: jax.Array, _: jax.Array, h: jax.Array, z: jax.Array) -> Any:
    h = jnp.tanh(z + h @ W.T)
    return h, h


def _lstm(W: jax.Array, _: jax.Array, states: Any, z: jax.Array) -> Any:
    h, c = states
    i, f, g, o = jnp.split(z + h @ W.T, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _gru(W: jax.Array, b: jax.Array, h: jax.Array, z: jax.Array) -> Any:
    H = h.shape[1]
    q = h @ W.T + b
    r, u = jnp.split(jax.nn.sigmoid(z[:, : 2 * H] + q[:, : 2 * H]), 2, axis=1)
    n = jnp.tanh(z[:, 2 * H :] + r * q[:, 2 * H :])
    h = (1 - u) * n + u * h
    return h, h


def _gru_reset_before(W: jax.Array, _: jax.Array, a: jax.Array, z: jax.Array) -> Any:
    H = a.shape[1]
    r, u = jnp.split(jax.nn.sigmoid(z[:, : 2 * H] + a @ W[: 2 * H].T), 2, axis=1)
    candidate = jnp.tanh(z[:, 2 * H :] + (r * a) @ W[2 * H :].T)
    a = (1 - u) * a + u * candidate
    return a, a


STEPS = {"RNN": _rnn, "LSTM": _lstm, "GRU": _gru, "GRU reset-before": _gru_reset_before}
