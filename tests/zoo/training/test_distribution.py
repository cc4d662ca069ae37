"""One step on two devices equals one step on one, for every kind of model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.vae import tiny
from zoo.recipe import TrainConfig
from zoo.training import devices
from zoo.training.optimizers import SGD, optimizer
from zoo.training.replicas import global_mean, own_rows


def weights_after_one_step(
    kind: str, count: int, where: str, clip: float | None
) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = tiny.model(kind)
        before = [variable.numpy() for variable in model.trainable_variables]
        # Learning rate small against the gradient's scale, so that no weight leaves its region.
        model.compile(SGD(1e-3, global_clipnorm=clip))
        model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_tensor_slices(tiny.batch(model.config, count)).batch(count)
    model.fit(data, verbose=0, shuffle=False)
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True)), "a weight did not move"
    return after


@pytest.mark.parametrize(
    ("kind", "count"), [("dense", 6), ("dense", 1), *((kind, 5) for kind in tiny.MODELS)]
)
def test_one_sgd_step_on_two_devices_equals_one_on_one(kind, count):
    one = weights_after_one_step(kind, count, "cpu", clip=None)
    two = weights_after_one_step(kind, count, "cpu:2", clip=None)
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_clipping_is_by_the_norm_of_the_summed_gradient():
    one = weights_after_one_step("dense", 5, "cpu", clip=0.1)
    free = weights_after_one_step("dense", 5, "cpu", clip=None)
    two = weights_after_one_step("dense", 5, "cpu:2", clip=0.1)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(one, free, strict=True)), (
        "nothing clipped"
    )
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def state_after_an_epoch(config: TrainConfig, where: str) -> list[tuple[str, np.ndarray]]:
    """Weights, moments and averages after a batch of 5 and an uneven last one of 3."""
    with devices.strategy(where).scope():
        model = tiny.model("dense")
        model.compile(optimizer(config, 10))
        model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_tensor_slices(tiny.batch(model.config, 8)).batch(5)
    model.fit(data, verbose=0, shuffle=False)
    assert int(model.optimizer.iterations.numpy()) == 2
    variables = [*model.trainable_variables, *model.optimizer.variables]
    return [(variable.path, variable.numpy()) for variable in variables]


@pytest.mark.long
@pytest.mark.parametrize("name", ["adam", "adamw", "muon", "sgd"])
def test_every_optimizer_steps_on_two_devices_as_on_one(name):
    """Adam would take the same step for gradients twice as large; its moments would not."""
    config = TrainConfig(
        optimizer=name,
        learning_rate=1e-3,
        weight_decay=0.1 if name in ("adamw", "muon") else 0.0,
        clip_norm=0.5 if name == "sgd" else 50.0,
        ema=0.9,
    )
    one, two = (state_after_an_epoch(config, where) for where in ("cpu", "cpu:2"))
    for (path, ours), (_, theirs) in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=path)


def test_the_loss_that_is_shown_is_the_mean_over_the_global_batch():
    def shown(where):
        with devices.strategy(where).scope():
            model = tiny.model("dense")
            model.compile(SGD(1e-4))
            model.optimizer.build(model.trainable_variables)
        data = tf.data.Dataset.from_tensor_slices(tiny.batch(model.config, 7)).batch(7)
        return model.fit(data, verbose=0, shuffle=False).history

    one, two = shown("cpu"), shown("cpu:2")
    assert one.keys() == two.keys() >= {"loss", "kl", "reconstruction"}
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5)


def test_global_mean_is_differentiable_across_replicas():
    strategy = devices.strategy("cpu:2")
    with strategy.scope():
        weight = tf.Variable(3.0)
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([[1.0, 2.0, 3.0], [4.0]][context.replica_id_in_sync_group])
    )

    @tf.function
    def step(values):
        with tf.GradientTape() as tape:
            loss = tf.square(global_mean(weight * values)) / 2  # / replicas
        gradient = tape.gradient(loss, weight)
        return tf.distribute.get_replica_context().all_reduce("sum", gradient)

    gradients = strategy.experimental_local_results(strategy.run(step, args=(values,)))
    np.testing.assert_allclose(gradients, 2 * 3.0 * 2.5**2, rtol=1e-6)  # d (w m)^2 / dw = 2 w m^2


def test_each_replica_takes_its_own_rows_of_the_noise():
    strategy = devices.strategy("cpu:2")
    counts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([3, 2][context.replica_id_in_sync_group])
    )
    rows = strategy.run(
        tf.function(lambda count: own_rows(lambda n: keras.random.normal((n, 2), seed=5), count)),
        args=(counts,),
    )
    parts = [part.numpy() for part in strategy.experimental_local_results(rows)]
    assert [len(part) for part in parts] == [3, 2]
    whole = keras.random.normal((5, 2), seed=5)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
