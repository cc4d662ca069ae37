"""The optimizer and learning rate schedule of a recipe."""

from itertools import accumulate, pairwise
from typing import Any

import keras
from keras import KerasTensor, ops

from zoo.recipe import TrainConfig
from zoo.training.replicas import SummedClipping


class _Exact(SummedClipping):
    """What the zoo changes in a Keras optimizer.

    What decays, where anything does, are kernels and embeddings: whatever has two axes or more.
    Biases do not, nor the gains and shifts of normalisation, which have one.
    """

    def build(self, var_list: list) -> None:
        if not self.built:
            self.exclude_from_weight_decay([each for each in var_list if len(each.shape) < 2])
        super().build(var_list)

    def finalize_variable_values(self, var_list: list) -> None:
        """Leave the weights as they are: `fit` would overwrite them with their moving average.

        Training could not go on from there. What ships is a copy; see
        `zoo.training.callbacks.shipping`.
        """


class Adam(_Exact, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015)."""


class AdamW(_Exact, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""


class Muon(_Exact, keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for matrices and convolutions, Adam for what is neither.

    Adam also trains the factors of an adapter (`zoo.training.lora`).

    A kernel `(H, W, C_in, C_out)` is the matrix from a patch to its output, `(H W C_in, C_out)`.
    Scaled as by Liu et al. (2025, arXiv:2502.16982), so that one learning rate suits both.

    A layer that applies several matrices as one, side by side, says how wide each is in
    `kernel.parts`, and each is stepped by itself, in the same time. Of `gpt-shakespeare-nano` after
    1000 steps, nats per character of the first 60,000 test tokens, with seeds 0 and 1:

    | stepped as one matrix | seed 0 | seed 1 |
    |---|---|---|
    | queries, keys and values together; gate and expansion together | 1.772 | 1.783 |
    | queries, keys and values together | 1.768 | 1.782 |
    | gate and expansion together | 1.740 | 1.732 |
    | neither: what is done | 1.742 | 1.729 |
    | each head of queries, keys and values; gate and expansion together | 1.764 | 1.753 |
    """

    def build(self, var_list: list) -> None:
        if not self.built:
            self._parts = [getattr(each, "parts", (each.shape[-1],)) for each in var_list]
        super().build(var_list)

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        # The factors of an adapter are Adam's: what Muon makes orthogonal is a step of the whole
        # weight, and that of their product is not theirs.
        if variable.name.startswith("lora_"):
            return True
        return len(variable.shape) != 4 and super()._should_use_adamw(variable)

    def _muon_update_step(
        self, gradient: KerasTensor, variable: Any, lr: KerasTensor, m: keras.Variable
    ) -> None:
        """Step along the momentum of Nesterov, each part made orthogonal."""
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        direction = ops.add(gradient, self.momentum * m)
        widths = self._parts[self._get_variable_index(variable)]
        steps = []
        for start, stop in pairwise(accumulate(widths, initial=0)):
            part = direction[..., start:stop]
            orthogonal = self.zeropower_via_newtonschulz5(part, self.ns_steps)
            steps.append(self.lr_adjust(lr * orthogonal))
        self.assign_sub(variable, ops.concatenate(steps, axis=-1))

    def zeropower_via_newtonschulz5(self, x: KerasTensor, steps: int) -> KerasTensor:
        """Make the singular values of a matrix or kernel about 1."""
        # Only about: the iteration runs in the precision of the model, as Jordan's does.
        matrix = ops.cast(_as_matrix(x), keras.config.dtype_policy().compute_dtype)
        matrix = super().zeropower_via_newtonschulz5(matrix, steps)
        return ops.cast(ops.reshape(matrix, x.shape), x.dtype)

    def lr_adjust(self, x: KerasTensor) -> KerasTensor:
        """Scale an update to the size that Adam's have."""
        return ops.reshape(super().lr_adjust(_as_matrix(x)), x.shape)


def _as_matrix(x: KerasTensor) -> KerasTensor:
    return ops.reshape(x, (-1, x.shape[-1]))


class SGD(_Exact, keras.optimizers.SGD):
    """Plain stochastic gradient descent."""


def optimizer(config: TrainConfig, total_steps: int) -> keras.optimizers.Optimizer:
    """Build the optimizer of a recipe for a run of `total_steps` steps."""
    shared = {
        "learning_rate": schedule(config, total_steps),
        "global_clipnorm": config.clip_norm,
        "use_ema": config.ema > 0,
        "ema_momentum": config.ema or 0.99,
    }
    match config.optimizer:
        case "sgd":
            return SGD(**shared)
        case "adam":
            return Adam(beta_1=config.beta_1, beta_2=config.beta_2, **shared)
        case "adamw":
            moments = {"beta_1": config.beta_1, "beta_2": config.beta_2}
            return AdamW(weight_decay=config.weight_decay, **moments, **shared)
        case "muon":
            moments = {"adam_beta_1": config.beta_1, "adam_beta_2": config.beta_2}
            decay = {"weight_decay": config.weight_decay, "adam_weight_decay": config.weight_decay}
            return Muon(**moments, **decay, **shared)


def schedule(
    config: TrainConfig, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Build the schedule: linear warm-up, then constant or a cosine over the steps that remain."""
    warm_up = min(config.warmup_steps, total_steps - 1)
    constant = config.schedule == "constant"
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else config.learning_rate,
        decay_steps=max(1, total_steps - warm_up),
        alpha=1.0 if constant else config.final_learning_rate,
        warmup_target=config.learning_rate if warm_up else None,
        warmup_steps=warm_up,
    )
