"""Facts of the number formats and of compiled networks: what overflows is left out, what fails is done without."""

import pytest
import torch
from small import TINY, equal, run, weights

from sgan.config import TrainConfig
from sgan.events import NotCompiled, Stats, Step
from sgan.training import arithmetic
from sgan.training.arithmetic import Arithmetic, Compiled
from sgan.training.meter import Meter
from sgan.training.rescue import restore, snapshot
from sgan.training.state import load_state, save_state
from sgan.training.step import step

HALF = torch.float16


def gradients(optimiser):
    """The gradients of the last update, which Adam's first moment is where beta1 is 0."""
    return torch.cat([entry["exp_avg"].flatten() for entry in optimiser.state.values()])


def test_other_formats_scale_nothing(make_state):
    for dtype in (torch.float32, torch.bfloat16):
        work = Arithmetic(make_state(), dtype)
        assert work.scaler("D") is None and work.inner_scale("R1") is None and not work.state.scalers


@pytest.mark.parametrize("term", ["D", "G"])
def test_an_update_that_overflows_is_left_out_and_the_scale_halved(make_state, noise_batches, term, monkeypatch):
    monkeypatch.setattr(arithmetic, "INIT_SCALE", 2.0**12)
    state, batches = make_state(d_reg_interval=1000), noise_batches(TrainConfig(**TINY))
    state.iteration = 1  # no R1
    work, meter = Arithmetic(state, HALF), Meter()
    work.scaler(term)
    state.take_numbers({"scalers": {term: {**state.scalers[term].state_dict(), "scale": 2.0**40}}})
    before, network = weights(state), getattr(state, term)
    step(work, next(batches), meter)
    names = [f"{term}.{name}" for name, _ in network.named_parameters()]
    after = weights(state)
    assert all(torch.equal(before[name], after[name]) for name in names)
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert state.scalers[term].get_scale() == 2.0**39
    other = "G" if term == "D" else "D"
    assert not torch.equal(before[f"{other}.b8.conv0.weight" if other == "D" else "G.mapping.fc0.weight"],
                           after[f"{other}.b8.conv0.weight" if other == "D" else "G.mapping.fc0.weight"])  # fmt: skip
    state.take_numbers({"scalers": {term: {**state.scalers[term].state_dict(), "scale": 2.0**10}}})
    step(work, next(batches), meter)
    assert any(not torch.equal(before[name], weights(state)[name]) for name in names)


@pytest.mark.parametrize("changes", [{}, {"pl_weight": 2.0}], ids=["r1", "path"])
def test_float16_gives_the_gradients_of_float32(make_state, noise_batches, changes):
    """At a learning rate of 0; the last updates are those of R1, and of the path length or G's loss."""
    found = []
    for dtype in (torch.float32, HALF):
        state = make_state(d_reg_interval=1, r1_gamma=1.0, learning_rate={8: 0.0}, **changes)
        step(Arithmetic(state, dtype), next(noise_batches(state.config)), Meter())
        found.append([gradients(state.D_opt), gradients(state.G_opt)])
    for exact, ours in zip(*found):
        assert torch.cosine_similarity(ours, exact, dim=0) > 0.999
        assert ours.norm() == pytest.approx(float(exact.norm()), rel=0.02)


def test_a_weak_penalty_survives_by_its_scale_alone(make_state, noise_batches, monkeypatch):
    """Its gradients lie below what float16 holds. Rows without a gradient keep that of D's loss, and are left out."""
    found = {}
    for scaled in (True, False):
        if not scaled:
            monkeypatch.setattr(Arithmetic, "scaler", lambda self, term: None)
        for dtype in (torch.float32, HALF):
            state = make_state(d_reg_interval=1, r1_gamma=1e-5, learning_rate={8: 0.0})
            step(Arithmetic(state, dtype), next(noise_batches(state.config)), Meter())
            found[scaled, dtype] = state.D_opt.state[state.D.b8.conv1.weight]["exp_avg"].flatten()
    similar = [torch.cosine_similarity(found[s, HALF], found[s, torch.float32], dim=0) for s in (True, False)]
    assert similar[0] > 0.99 > 0.9 > similar[1]


def test_resume_keeps_the_scales(make_state, noise_batches, tmp_path, monkeypatch):
    monkeypatch.setattr(arithmetic, "GROWTH_INTERVAL", 3)
    straight, first = make_state(d_reg_interval=2), make_state(d_reg_interval=2)
    events = run(straight, noise_batches(straight.config), 28, dtype=HALF)
    assert "scale_d" in [event for event in events if isinstance(event, Stats)][-1].values
    run(first, noise_batches(first.config), 16, dtype=HALF)
    resumed = load_state(save_state(first, tmp_path))
    assert set(resumed.scalers) == {"D", "R1", "G"}
    run(resumed, noise_batches(resumed.config, 16), 28, dtype=HALF)
    assert equal(weights(straight), weights(resumed))
    scales = [{term: s.state_dict() for term, s in state.scalers.items()} for state in (straight, resumed)]
    assert scales[0] == scales[1] and scales[0]["G"]["scale"] != arithmetic.INIT_SCALE


def test_the_way_back_takes_the_scales_along(make_state, noise_batches):
    state = make_state()
    run(state, noise_batches(state.config), 4, dtype=HALF)
    saved, scales = snapshot(state), {term: s.state_dict() for term, s in state.scalers.items()}
    state.take_numbers({"scalers": {term: {**values, "scale": 1.0} for term, values in scales.items()}})
    restore(state, saved)
    assert {term: s.state_dict() for term, s in state.scalers.items()} == scales


def test_compiled_networks_train_alike(make_state, noise_batches):
    """Through PyTorch's tracing, without its code generator, which takes minutes."""
    found = {}
    for compiled in (False, True):
        state = make_state(d_reg_interval=2, learning_rate={8: 1e-4})
        forms = Compiled(state, backend="eager") if compiled else None
        events = run(state, noise_batches(state.config), 8, compiled=forms)
        assert not [event for event in events if isinstance(event, NotCompiled)]
        found[compiled] = weights(state)
    assert forms.active
    for name, plain in found[False].items():
        assert torch.allclose(plain, found[True][name], rtol=1e-4, atol=1e-4), name


@pytest.mark.parametrize("when", ["at once", "first call", "backward"])
def test_what_cannot_be_compiled_is_told_once_and_trained_as_ever(make_state, noise_batches, when, monkeypatch):
    def refuse(*args, **kwargs):
        raise ValueError("no compiler here\nand a long tail")

    def compile_badly(module, **options):
        if when == "at once":
            refuse()
        if when == "first call":
            return refuse

        def forward(*args, **kwargs):
            result = module(*args, **kwargs)
            if result.requires_grad:
                result.register_hook(refuse)
            return result

        return forward

    monkeypatch.setattr(torch, "compile", compile_badly)
    plain, state = make_state(), make_state()
    run(plain, noise_batches(plain.config), 12)
    events = run(state, noise_batches(state.config), 12, compiled=Compiled(state))
    told = [event for event in events if isinstance(event, NotCompiled)]
    assert [event.reason for event in told] == ["ValueError: no compiler here"]
    assert len([event for event in events if isinstance(event, Step)]) == 3
    assert equal(weights(plain), weights(state))


def test_a_layer_that_fades_in_is_not_compiled(make_state, noise_batches, monkeypatch):
    used = []
    monkeypatch.setattr(
        torch, "compile", lambda module, **options: lambda *a, **k: used.append(k["alpha"]) or module(*a, **k)
    )
    state = make_state(max_step=2, n_sample=8)
    run(state, noise_batches(state.config), 20, compiled=Compiled(state))
    assert used and set(used) == {1.0}


def test_an_error_of_the_plain_networks_is_an_error(make_state, noise_batches, monkeypatch):
    state = make_state()
    monkeypatch.setattr(type(state.D), "forward", lambda *a, **k: (_ for _ in ()).throw(ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        run(state, noise_batches(state.config), 4)
