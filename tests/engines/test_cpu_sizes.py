"""States, affines and inputs of other sizes than H: the reference against plain loops, the CPU engine against it."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from engine_cases import Case, check, every_name
from hypothesis import given, settings
from hypothesis import strategies as st
from sized_cells import SIZED, sized_programs
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from ricorda.engines import USUAL, Manner, Request, reference
from ricorda.engines.cpu import engine as cpu
from ricorda.program.regularise import layer_norm, state_dropout, zoneout

D = torch.float64
EDGES = st.sampled_from([1, 15, 16, 17, 33]) | st.integers(1, 40)


def looped(name: str, case: Case) -> dict[str, Tensor]:
    """Output and final states of a case by a plain loop over the paper's step."""
    step = SIZED[name][1]
    states, outputs = tuple(case.states), []
    for inputs in zip(case.x, *case.inputs.values(), strict=True):
        states = step(case.parameters, inputs, states)
        outputs.append(states[0])
    finals = {f"final {state.name}": value for state, value in zip(case.program.states, states, strict=True)}
    return {"output": torch.stack(outputs), **finals}


@pytest.mark.parametrize("engine", [reference, cpu], ids=["reference", "cpu"])
@pytest.mark.parametrize("name", SIZED)
def test_a_cell_is_its_paper_s_loop(name: str, engine: Any) -> None:
    case = Case(SIZED[name][0].program, T=5, B=3, I=4, H=7)
    ours, expected = case.run(engine), looped(name, case)
    wanted = list(case.given.values())
    gradients = [torch.autograd.grad(case.loss(values), wanted, materialize_grads=True) for values in (ours, expected)]
    for key, value in expected.items():
        torch.testing.assert_close(ours[key], value, atol=1e-12, rtol=0.0)
    for key, own, loop in zip(case.given, *gradients, strict=True):
        torch.testing.assert_close(own, loop, atol=1e-10, rtol=1e-10, msg=key)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", SIZED)
def test_the_cpu_engine_is_the_reference(name: str, reverse: bool) -> None:
    program = SIZED[name][0].program
    for I, H in ((1, 1), (17, 5), (4, 33)):
        check(Case(program, T=5, B=3, I=I, H=H, lengths=[2, 5, 0], reverse=reverse), cpu)


@pytest.mark.parametrize("name", SIZED)
def test_the_cpu_engine_is_the_reference_in_float32_without_biases_recorded(name: str) -> None:
    program = SIZED[name][0].program
    for I, H in ((3, 16), (18, 2)):
        check(Case(program, T=4, B=9, I=I, H=H, bias=False, dtype=torch.float32, record=every_name(program)), cpu)


@settings(max_examples=3)
@given(program=sized_programs(), I=EDGES, H=EDGES, reverse=st.booleans())
def test_random_cells_of_several_sizes(program: Any, I: int, H: int, reverse: bool) -> None:
    check(Case(program, T=4, B=3, I=I, H=H, lengths=[4, 2, 0], reverse=reverse, record=every_name(program)), cpu)


@pytest.mark.parametrize("name", ["lmu", "gru_d"])
def test_regularised_cells(name: str) -> None:
    program = layer_norm(SIZED[name][0].program)
    states = {state.name: 0.3 for state in program.states}
    check(Case(zoneout(state_dropout(program, 0.3), states, training=True), T=4, I=3, H=6), cpu)


@pytest.mark.parametrize("engine", [reference, cpu], ids=["reference", "cpu"])
@pytest.mark.parametrize("name", ["lmu", "gru_d", "odd", "one_gate"])
def test_first_and_second_derivatives_are_those_of_finite_differences(name: str, engine: Any) -> None:
    case = Case(SIZED[name][0].program, T=2, B=1, I=2, H=2)
    names = list(case.given)

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        return _results(case, dict(zip(names, tensors, strict=True)), engine)

    assert gradcheck(run, list(case.given.values()))
    assert gradgradcheck(run, list(case.given.values()), fast_mode=True)


@pytest.mark.parametrize("name", ["mogrifier", "odd", "one_gate"])
def test_segments_that_are_run_again_and_watched_gradients(name: str) -> None:
    found: dict[str, dict[str, Tensor]] = {}
    case = Case(SIZED[name][0].program, T=7, B=3, I=4, H=5, lengths=[7, 3, 5])
    results = {}
    for engine, checkpoint in ((reference, None), (cpu, None), (cpu, 2)):
        norms: dict[str, Tensor] = {}
        manner = Manner(checkpoint=checkpoint, watch=lambda state, values, norms=norms: norms.update({state: values}))
        values = _results(case, case.given, engine, manner)
        key = f"{engine.name} {checkpoint}"
        loss = sum((value * value.detach().cos()).sum() for value in values)
        results[key] = [*values, *torch.autograd.grad(loss, list(case.given.values()), materialize_grads=True)]
        found[key] = norms
    for key in ("cpu None", "cpu 2"):
        for own, expected in zip(results[key], results["reference None"], strict=True):
            torch.testing.assert_close(own, expected, atol=1e-10, rtol=1e-10)
        for state in case.program.states:
            expected = found["reference None"].get(state.name, torch.zeros(7, 3, dtype=D))
            torch.testing.assert_close(found[key][state.name], expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", ["lmu", "gru_d"])
def test_products_in_bf16_are_near(name: str) -> None:
    case = Case(SIZED[name][0].program, T=4, B=3, I=9, H=17, dtype=torch.float32)
    rounded, whole = (
        [*values, *torch.autograd.grad(sum(v.sum() for v in values), list(case.given.values()), materialize_grads=True)]
        for values in (_results(case, case.given, cpu, Manner(factors=factors)) for factors in ("bf16", ""))
    )
    for own, expected in zip(rounded, whole, strict=True):
        assert float((own - expected).detach().abs().max()) < 0.1 * max(1.0, float(expected.detach().abs().max()))


def _results(case: Case, given: Mapping[str, Tensor], engine: Any, manner: Manner = USUAL) -> tuple[Tensor, ...]:
    program = case.program
    parameters = {name: given[name] for name in case.parameters}
    states = [given[f"initial {state.name}"] for state in program.states]
    inputs = {value.name: given[f"input {value.name}"] for value in program.inputs[1:]}
    lengths = None if case.lengths is None else torch.tensor(case.lengths)
    request = Request(program, parameters, given["x"], states, lengths, manner=manner, inputs=inputs)
    assert engine.obstacle(request) is None
    run = engine.run(request)
    return run.output, *run.states
