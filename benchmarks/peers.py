"""The layers that are compared: ricorda, torch.nn, and JAX and ONNX Runtime where they are installed."""

from __future__ import annotations

from problem import JAX, ONNX, OURS, TORCH, Problem, Runs, check, module_runs, our_layer, reset_before_loop, torch_layer


def ours(problem: Problem) -> Runs:
    layer = our_layer(problem.case)
    layer.load_state_dict(problem.weights)
    return module_runs(layer, problem)


def torch_nn(problem: Problem) -> Runs:
    layer = torch_layer(problem.case)
    layer.load_state_dict(problem.weights)
    return module_runs(layer, problem)


def contenders(problem: Problem, threads: int) -> tuple[dict[str, Runs], dict[str, str]]:
    """All libraries that run here, checked against each other; and for each other one the reason."""
    runs, absent = {OURS: ours(problem), TORCH: torch_nn(problem)}, {}
    try:
        import jax_peer

        runs[JAX] = jax_peer.runs(problem)
    except ImportError as error:
        absent[JAX] = str(error)
    try:
        import onnx_peer

        runs[ONNX] = onnx_peer.runs(problem, threads)
    except ImportError as error:
        absent[ONNX] = str(error)
    right = reset_before_loop(problem) if problem.case.cell == "GRU reset-before" else runs[TORCH]
    for name, run in runs.items():
        if name == TORCH and right is not runs[TORCH]:
            continue  # Its other form is timed, which is checked as the case "GRU".
        check(name, problem.case, run, right)
    return runs, absent
