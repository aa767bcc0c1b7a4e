"""The Lightning modules: what a step does, for both presets and several methods."""

import pytest
import torch
from torch import nn

L = pytest.importorskip("lightning.pytorch", reason="training needs the extra 'train'")

from vqlab.vision.adversarial import AdversarialReconstructor  # noqa: E402
from vqlab.vision.autoencoder import Autoencoder  # noqa: E402
from vqlab.vision.data import Pictures  # noqa: E402
from vqlab.vision.datasets import Images  # noqa: E402
from vqlab.vision.metrics import likeness  # noqa: E402
from vqlab.vision.module import Reconstructor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TINY = {"codebook_size": 8, "dim": 4, "network_options": {"width": 8}, "channels": 1}
JUDGED = {
    **TINY,
    "network": "resnet",
    "perceptual": 0.0,
    "judge_options": {"width": 4, "layers": 1},
    "network_options": {"width": 4, "groups": 2, "multiples": (1, 2), "blocks": 1},
}
OPTIONS = {"transvq": {"width": 8}, "fsq": {"levels": (8,)}, "fvq": {}}


def trainer(tmp_path, steps=2, **options):
    return L.Trainer(
        default_root_dir=tmp_path,
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"num_sanity_val_steps": 0, **options},
    )


def trained(module, images, tmp_path, steps=2, **options):
    run = trainer(tmp_path, steps, **options)
    run.fit(module, Pictures(images, batch=8))
    return run


@pytest.mark.parametrize(
    "name",
    [
        "vq",
        "ema",
        "ema-revival",
        "simvq",
        "nsvq",
        "transvq",
        "rotation",
        "fsq",
        "ibq",
        "gumbel",
        "cvq",
        "neural-gas",
    ],
)
@pytest.mark.parametrize("kind", [Reconstructor, AdversarialReconstructor])
def test_a_step_with_any_method(images, tmp_path, kind, name):
    sizes = TINY if kind is Reconstructor else JUDGED
    module = kind(method=name, **sizes, method_options=OPTIONS.get(name))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    run = trained(module, images, tmp_path)
    assert run.global_step == 2
    after = module.state_dict()
    moved = {k for k, v in before.items() if not torch.equal(v, after[k])}
    for part in ("model.encoder", "model.decoder"):
        assert any(k.startswith(part) for k in moved)
    if name not in ("fsq",):
        assert any(k.startswith("model.quantizer") for k in moved)
    if kind is AdversarialReconstructor:
        assert any(k.startswith("judge") for k in moved)
    assert run.callback_metrics["train/loss"].isfinite()


def test_each_name_builds_its_own_method():
    """In the released code `simvq` and `transvq` build the same model."""
    kinds = set()
    for name in ("vq", "simvq", "transvq"):
        module = Reconstructor(name, **TINY, method_options=OPTIONS.get(name))
        kinds.add(type(module.model.quantizer.codebook))
    assert len(kinds) == 3


def test_a_configuration_is_not_changed_by_what_is_built():
    """The released code reverses the list of widths in place."""
    options, network = {"form": "followup"}, {"multiples": [1, 2], "width": 4, "groups": 2}
    Reconstructor("nsvq", 8, 4, options, "resnet", network, steps_per_epoch=3)
    assert options == {"form": "followup"}
    assert network == {"multiples": [1, 2], "width": 4, "groups": 2}


def test_outputs_and_targets_lie_in_one_range(images, tmp_path):
    """The released decoder ends in [-1, 1], its targets in [0, 1]."""
    seen = []

    class Look(L.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            seen.append((batch, module(batch).images.detach()))

    trained(Reconstructor(**TINY), images, tmp_path, callbacks=[Look()])
    for targets, drawn in seen:
        assert 0 <= targets.min() and targets.max() <= 1
        assert 0 < drawn.min() and drawn.max() < 1


def test_nothing_is_printed_in_a_step(images, tmp_path, capsys):
    """The released code prints the schedule at every forward pass."""
    module = Reconstructor("nsvq", **TINY)
    capsys.readouterr()
    for _ in range(3):
        module(images.train)
    assert capsys.readouterr() == ("", "")


def test_a_schedule_by_epochs_is_that_of_the_data(images, tmp_path):
    module = Reconstructor("nsvq", **TINY, steps_per_epoch=3)
    rule = module.model.quantizer.rules[1]
    assert float(rule.tau()) == 1
    trained(module, images, tmp_path, steps=7)  # the rule itself counts the steps
    assert float(rule.tau()) == 0.25


def test_validation_moves_nothing_and_measures_the_whole_set(images, tmp_path):
    module = Reconstructor("ema-revival", **TINY, method_options={"init": "normal"})
    before = {k: v.clone() for k, v in module.state_dict().items()}
    data = Pictures(images, batch=8)
    found = trainer(tmp_path).test(module, data, verbose=False)[0]
    after = {k: v for k, v in module.state_dict().items() if not k.startswith("measures.")}
    assert all(torch.equal(v, before[k]) for k, v in after.items())
    with torch.no_grad():
        out = module.model.eval()(images.test)
    error = (out.images - images.test).square().mean()
    assert found["test/mse"] == pytest.approx(float(error), rel=1e-5)
    assert found["test/psnr"] == pytest.approx(float(-10 * error.log10()), rel=1e-5)
    assert found["test/utilization"] == len(out.indices.unique()) / 8


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_likeness_is_measured_in_float32_whatever_the_network_computes_in(tmp_path, stage):
    """Autocast reaches into a metric's convolutions, too."""
    pictures = 0.9 + 0.05 * torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    data = Pictures(Images(pictures, pictures[:8]), batch=8)
    module = Reconstructor(**TINY)
    drawn = []

    def close(images):
        out = Autoencoder.forward(module.model, images)
        out.images = (images + 0.003 * torch.sin(1e4 * images)).bfloat16()
        drawn.append((out.images.float(), images))
        return out

    module.model.forward = close
    run = trainer(tmp_path, precision="bf16-mixed")
    (found,) = getattr(run, stage)(module, data, verbose=False)
    expected = likeness(16)["ssim"]
    for pair in drawn:
        expected.update(*pair)
    part = "val" if stage == "validate" else "test"
    assert found[f"{part}/ssim"] == pytest.approx(float(expected.compute()), rel=1e-6)


def test_what_was_validated_can_be_trained(images, tmp_path):
    """Lightning validates in inference mode, whose tensors a training must not add to."""
    module, data = Reconstructor(**TINY), Pictures(images, batch=8)
    trainer(tmp_path).validate(module, data, verbose=False)
    trainer(tmp_path, num_sanity_val_steps=1).fit(module, data)
    assert trainer(tmp_path).validate(module, data, verbose=False)[0]["val/psnr"] > 0


def test_the_sanity_check_leaves_no_trace(images, tmp_path):
    """In the released code its entry shifts the best epoch by one."""
    runs = [
        trained(Reconstructor(**TINY), images, tmp_path, steps=4, num_sanity_val_steps=n)
        for n in (0, 2)
    ]
    one, other = (run.callback_metrics for run in runs)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_the_quantizer_stays_in_float32(images, tmp_path, precision):
    module = Reconstructor("ema", **TINY)
    seen = {}

    def inside(z, weights, shape, quantize=module.model.quantizer.quantize_rows):
        seen["rows"] = z.dtype
        assert not torch.is_autocast_enabled("cpu")
        return quantize(z, weights, shape)

    def latents(_, inputs, out):
        seen["latents"] = out.dtype

    module.model.quantizer.quantize_rows = inside
    module.model.encoder.register_forward_hook(latents)
    trained(module, images, tmp_path, precision=precision)
    assert seen["rows"] == torch.float32
    assert seen["latents"] == (torch.bfloat16 if "bf16" in precision else torch.float32)
    assert module.model.quantizer.codebook().dtype == torch.float32


def test_gradients_are_clipped_and_the_encoder_has_its_rate(images, tmp_path):
    norms, rates = [], []

    class Look(L.Callback):
        def on_before_optimizer_step(self, trainer, module, optimizer):
            rates.append([group["lr"] for group in optimizer.param_groups])

        def on_before_zero_grad(self, trainer, module, optimizer):
            grads = [p.grad.norm() for p in module.model.parameters() if p.grad is not None]
            if grads:
                norms.append(float(torch.stack(grads).norm()))

    module = Reconstructor(**TINY, clip=1e-3, rate=0.01, encoder_rate=0.1, gamma=0.5)
    trained(module, images, tmp_path, steps=9, callbacks=[Look()])  # four steps an epoch
    assert norms and max(norms) <= 1.01e-3 and max(norms) > 0.99e-3
    assert rates[0] == pytest.approx([0.001, 0.01])
    assert rates[4] == pytest.approx([0.0005, 0.005]) and rates[8] == pytest.approx(
        [0.00025, 0.0025]
    )


def test_a_step_of_two_optimizers_counts_once(images, tmp_path):
    """Counted twice, every schedule runs at double speed, as in the released ImageNet code."""
    module = AdversarialReconstructor(**JUDGED, start=2, gamma=0.5, rate=0.01)
    judged, module_step = [], module.training_step

    def step(pictures, batch_idx):
        before = [p.clone() for p in module.judge.parameters()]
        module_step(pictures, batch_idx)
        after = module.judge.parameters()
        judged.append(any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)))

    module.training_step = step
    run = trained(module, images, tmp_path, steps=5)
    assert run.global_step == 5 and judged == [False, False, True, True, True]
    assert run.optimizers[0].param_groups[0]["lr"] == 0.005  # one epoch of four steps is over


def test_the_parts_of_the_adversarial_loss_have_their_switches(images, tmp_path):
    module = AdversarialReconstructor(**{**JUDGED, "adversarial": 0.0})
    assert module.judge is None
    run = trained(module, images, tmp_path)
    assert {k for k in run.callback_metrics if k.startswith("train/")} == {
        "train/loss",
        "train/reconstruction",
        "train/commitment",
        "train/codebook",
    }
    with pytest.raises(FileNotFoundError, match="give its path"):
        wanting = {**JUDGED, "perceptual": 1.0, "perceptual_weights": str(tmp_path / "no.pth")}
        trained(AdversarialReconstructor(**wanting), images, tmp_path)
    with pytest.raises(ValueError, match="adversarial is a weight"):
        AdversarialReconstructor(**{**JUDGED, "adversarial": -1.0})


def test_the_perceptual_loss_reaches_the_autoencoder(images, tmp_path, monkeypatch):
    class Eyes(nn.Module):
        def __init__(self, net, weights):
            super().__init__()

        def forward(self, x, y):
            return (x.mean() - y.mean()).square()

    monkeypatch.setattr("vqlab.vision.adversarial.Perceptual", Eyes)
    module = AdversarialReconstructor(**{**JUDGED, "adversarial": 0.0, "perceptual": 3.0})
    run = trained(module, images, tmp_path, steps=1)
    values = {k: float(v) for k, v in run.callback_metrics.items()}
    total = values["train/reconstruction"] + 3 * values["train/perceptual"]
    total += values["train/codebook"] + 0.25 * values["train/commitment"]
    assert values["train/loss"] == pytest.approx(total, rel=1e-5)


def test_unknown_names_are_refused():
    for wrong in ({"network": "big"}, {"loss": "l3"}, {"method": "vqq"}):
        with pytest.raises(ValueError, match="unknown"):
            Reconstructor(**wrong)


def test_a_checkpoint_rebuilds_the_module(images, tmp_path):
    module = Reconstructor("nsvq", **TINY, method_options={"form": "followup"})
    run = trained(module, images, tmp_path)
    run.save_checkpoint(tmp_path / "m.ckpt", weights_only=False)
    again = Reconstructor.load_from_checkpoint(tmp_path / "m.ckpt", weights_only=True)
    x = images.test
    assert torch.equal(again.eval()(x).images, module.eval()(x).images)
