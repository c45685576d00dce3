"""Discretised differential equations: a step goes a little way along a flow that keeps what it carries."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, parameter, sigmoid, tanh


@cell(
    year=2021,
    paper="Rusch, Mishra, 'Coupled oscillatory recurrent neural network (coRNN)', ICLR 2021",
    weakness="dt, gamma and epsilon want tuning for each task; it is stable, and so it forgets in time",
    meanings={"dt": "the step in time", "gamma": "the springs' stiffness", "epsilon": "the damping"},
)
def cornn(x, y, z, *, dt=0.076, gamma=0.4, epsilon=8.0):
    """Coupled oscillators: each unit is a damped, driven spring with place y and speed z. Affine z.

    force_t = tanh(W_z [y_{t-1}, z_{t-1}, x_t] + b_z)
    z_t = z_{t-1} + 0.076 * (force_t - 0.4 * y_{t-1} - 8 * z_{t-1})
    y_t = y_{t-1} + 0.076 * z_t
    """
    force = tanh(affine("z", y, z, x))
    z = z + dt * (force - gamma * y - epsilon * z)
    y = y + dt * z
    return y, z


@cell(
    year=2022,
    paper="Rusch, Mishra, Erichson, Mahoney, 'Long expressive memory for sequence modeling', ICLR 2022",
    weakness="two products that wait for each other, so a step takes longer than the LSTM's",
    differs=("torchrecurrent and RecurrentLayers.jl compute y from the old z; paper and authors from the new",),
    meanings={"dt": "the longest step in time"},
)
def lem(x, y, z, *, dt=1.0):
    """Long expressive memory: two coupled states, with a step in time for each unit that the input chooses.

    dt1_t = 1 * sigmoid(W_dt1 [y_{t-1}, x_t] + b_dt1)
    dt2_t = 1 * sigmoid(W_dt2 [y_{t-1}, x_t] + b_dt2)
    z_t = (1 - dt2_t) * z_{t-1} + dt2_t * tanh(W_z [y_{t-1}, x_t] + b_z)
    y_t = (1 - dt1_t) * y_{t-1} + dt1_t * tanh(W_y [z_t, x_t] + b_y)
    """
    dt1 = dt * sigmoid(affine("dt1", y, x))
    dt2 = dt * sigmoid(affine("dt2", y, x))
    z = (1 - dt2) * z + dt2 * tanh(affine("z", y, x))
    y = (1 - dt1) * y + dt1 * tanh(affine("y", z, x))
    return y, z


@cell(
    year=2021,
    paper="Erichson, Azencot, Queiruga, Hodgkinson, Mahoney, 'Lipschitz recurrent neural networks', ICLR 2021",
    weakness="its four numbers want tuning for each task; the state moves by at most a small step",
    meanings={
        "epsilon": "the step in time",
        "beta": "the part of the matrices that is antisymmetric, 0 to 1",
        "gamma_a": "the damping in A",
        "gamma_w": "the damping in W",
    },
)
def lipschitz(x, h, *, epsilon=0.03, beta=0.75, gamma_a=0.001, gamma_w=0.001):
    """The Lipschitz RNN: a linear and a squashed flow, whose matrices keep it near the edge of stability. Affines a w.

    linear_t = W_a h_{t-1}
    squashed_t = tanh(W_w [h_{t-1}, x_t] + b_w)
    h_t = h_{t-1} + 0.03 * (linear_t + squashed_t)
    """
    linear = affine("a", h, bias=False, form=f"symmetric_mix({beta}, {gamma_a})")
    squashed = tanh(affine("w", h, x, form=f"symmetric_mix({beta}, {gamma_w})"))
    return h + epsilon * (linear + squashed)


@cell(
    year=2019,
    paper="Chang, Chen, Haber, Chi, 'AntisymmetricRNN: a dynamical system view on RNNs', ICLR 2019",
    weakness="without a gate it keeps everything, the useless too",
    meanings={"epsilon": "the step in time", "gamma": "the diffusion that keeps it stable"},
)
def antisymmetric(x, h, *, epsilon=0.01, gamma=0.01):
    """The AntisymmetricRNN: an antisymmetric recurrent matrix neither grows nor shrinks the state. Affine h.

    h_t = h_{t-1} + 0.01 * tanh(W_h [h_{t-1}, x_t] + b_h)
    """
    return h + epsilon * tanh(affine("h", h, x, form=f"skew({gamma})", init="normal_fan_in(1)"))


@cell(
    year=2019,
    paper="Chang, Chen, Haber, Chi, 'AntisymmetricRNN: a dynamical system view on RNNs', ICLR 2019 (with gating)",
    weakness="gate and candidate share one recurrent matrix, so they see the same of the state",
    meanings={"epsilon": "the step in time", "gamma": "the diffusion that keeps it stable"},
)
def gated_antisymmetric(x, h, *, epsilon=0.01, gamma=0.01):
    """The AntisymmetricRNN with a gate on its step; both share the recurrent matrix. Affines v z h.

    v_t = W_v h_{t-1}
    z_t = sigmoid(W_z x_t + b_z + v_t)
    candidate_t = tanh(W_h x_t + b_h + v_t)
    h_t = h_{t-1} + 0.01 * z_t * candidate_t
    """
    v = affine("v", h, bias=False, form=f"skew({gamma})", init="normal_fan_in(1)")
    z = sigmoid(affine("z", x) + v)
    candidate = tanh(affine("h", x) + v)
    return h + epsilon * z * candidate


@cell(
    year=2021,
    paper="Rusch, Mishra, 'UnICORNN: a recurrent model for learning very long time dependencies', ICML 2021",
    weakness="units do not talk to each other within a layer: it needs several layers",
    meanings={"dt": "the longest step in time", "alpha": "the springs' stiffness"},
)
def unicornn(x, y, z, *, dt=0.1, alpha=0.0):
    """Undamped oscillators, each on its own, with a step in time that each learns; it loses nothing. Affine y.

    step_t = 0.1 * sigmoid(c)
    force_t = tanh(W_y x_t + b_y + w * y_{t-1})
    z_t = z_{t-1} - step_t * (force_t + 0 * y_{t-1})
    y_t = y_{t-1} + step_t * z_t
    """
    step = dt * sigmoid(parameter("c", init="uniform(-0.1, 0.1)"))
    force = tanh(affine("y", x) + parameter("w", init="uniform(0, 1)") * y)
    z = z - step * (force + alpha * y)
    y = y + step * z
    return y, z
