"""The way back of a training that was ruined, to when all was well."""

from torch import Tensor

from sgan.training.state import TrainState

RESCUES = 3  # from one and the same copy, before it is given up
SNAPSHOT_INTERVAL = 200  # iterations between two copies of the state


class Lifeline:
    """Copies of the state in main memory. A copy counts as good once a later look at the losses found nothing.

    rescues: how often the good copy was put back since the losses were last in order.
    """

    def __init__(self, state: TrainState):
        self.good = self.latest = snapshot(state)
        self.rescues = 0

    def confirm(self, state: TrainState) -> None:
        """Told that the losses are in order: the latest copy becomes good, and in time a new one is taken."""
        self.good, self.rescues = self.latest, 0
        if state.iteration - self.latest["iteration"] >= SNAPSHOT_INTERVAL:
            self.latest = snapshot(state)

    def rescue(self, state: TrainState) -> dict:
        """Puts the good copy back, with every learning rate halved; returns the change of hyper-parameters.

        Changes made since the good copy stay in force: they move into the journal at its moment, so that replaying it
        gives the run as it went on.
        """
        self.rescues += 1
        restore(state, self.good)
        late = [row["patch"] for row in state.journal if row["nimg"] > state.nimg]
        table = {
            resolution: state.hparams.learning_rate_at(resolution) / 2 for resolution in state.config.block_resolutions
        }
        patch = {name: value for change in late for name, value in change.items()} | {"learning_rate": table}
        state.hparams = state.hparams.changed(patch)
        state.journal = [row for row in state.journal if row["nimg"] <= state.nimg]
        state.journal.append({"nimg": state.nimg, "patch": patch})
        self.latest = self.good
        return patch


def snapshot(state: TrainState) -> dict:
    """A copy of everything that training changes, in main memory."""
    networks = {name: _to_cpu(net.state_dict()) for name, net in state.networks().items()}
    moments = {
        name: [_to_cpu(optimiser.state.get(p, {})) for p in net.parameters()]
        for name, (net, optimiser) in state.optimisers().items()
    }
    return {"networks": networks, "moments": moments, **state.numbers()}


def restore(state: TrainState, saved: dict) -> None:
    """Puts a snapshot back into `state`; hyper-parameters stay as they are."""
    for name, net in state.networks().items():
        net.load_state_dict(saved["networks"][name])
    for name, (net, optimiser) in state.optimisers().items():
        optimiser.zero_grad(set_to_none=True)
        for p, values in zip(net.parameters(), saved["moments"][name], strict=True):
            optimiser.state.pop(p, None)
            if values:
                optimiser.state[p] = {key: value.to(p.device, copy=True) for key, value in values.items()}
    state.take_numbers(saved)


def _to_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies that keep the memory layout, which the fused Adam needs."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
