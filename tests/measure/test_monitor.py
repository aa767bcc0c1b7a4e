"""The monitor: it changes nothing, counts exactly, reads every library it names, stays bounded."""

import copy
import pickle
import random
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

import vqlab
from vqlab import CodebookMonitor, Run
from vqlab.measure import cells, history, usage
from vqlab.quantizers import Grouped, Residual

K, D = 16, 4


class Small(nn.Module):
    """An autoencoder of linear maps around any quantizer; latents are rows."""

    def __init__(self, quantizer, inputs=6, dim=D, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = nn.Sequential(nn.Linear(inputs, dim), nn.Dropout(0.1))
        self.quantizer = quantizer
        self.decoder = nn.Linear(dim, inputs)

    def forward(self, x):
        out = self.quantizer(self.encoder(x))
        return self.decoder(out[0]), out[2]


def train(model, steps, batch=64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(steps):
        x = torch.randn(batch, 6, generator=generator)
        y, loss = model(x)
        optimizer.zero_grad()
        ((y - x).square().mean() + loss).backward()
        optimizer.step()
    return model


def vq(seed=0, **options):
    return vqlab.make(options.pop("method", "vq"), dim=D, codebook_size=K, seed=seed, **options)


@pytest.mark.parametrize("method", ["vq", "ema-revival", "transvq"])
@pytest.mark.parametrize("with_probe", [False, True])
def test_training_is_the_same_to_the_last_bit(method, with_probe):
    options = {"width": 8} if method == "transvq" else {}
    plain = train(Small(vq(method=method, **options)), 60)
    dice = torch.rand(3), random.random(), np.random.rand()
    watched = Small(vq(method=method, **options))
    random.seed(0), np.random.seed(0)
    before = random.random(), np.random.rand()
    random.seed(0), np.random.seed(0)
    with CodebookMonitor(watched, torch.randn(32, 6, generator=torch.Generator())
                         if with_probe else None) as monitor:  # fmt: skip
        train(watched, 60)
        assert len(monitor.run().steps) > 20
    state = watched.state_dict()
    assert state.keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert all(m.training for m in watched.modules())
    assert torch.equal(torch.rand(3), dice[0])
    assert (random.random(), np.random.rand()) == before


def test_every_choice_is_counted_once():
    quantizer = vq(method="ema")
    monitor = CodebookMonitor(quantizer, frames=16, every=5)
    generator = torch.Generator().manual_seed(0)
    counted, last = np.zeros(K, int), np.full(K, -1)
    for step in range(200):
        quantizer.train(step % 10 != 3)
        z = torch.randn(7, 3, D, generator=generator)
        mask = torch.rand(7, 3, generator=generator) < 0.8
        k = quantizer(z, mask=mask).indices
        if quantizer.training:
            seen = k[k >= 0].numpy()
            counted += np.bincount(seen, minlength=K)
            last[seen] = step - (step + 7) // 10  # calls in evaluation are no steps
    run = monitor.run()
    assert run.steps[-1] == 180 and len(run.steps) <= 17
    np.testing.assert_array_equal(run.hits.sum(0), counted)
    np.testing.assert_array_equal(run.last_hit[-1], last)
    assert usage(run.hits.sum(0)).samples == counted.sum()
    assert (np.diff(run.steps) > 0).all() and run.steps[0] == 0


def test_a_frame_is_what_was_there_before_the_step():
    quantizer = vq(method="ema", init="first-batch")
    quantizer.train()
    quantizer(torch.randn(64, D))  # the start is made
    monitor = CodebookMonitor(quantizer)
    batches, codes = [], []
    for _ in range(6):
        codes.append(quantizer.codebook().clone().numpy())
        batches.append(torch.randn(64, D))
        quantizer(batches[-1])
    run = monitor.run()
    np.testing.assert_array_equal(run.steps, range(7))
    for frame in range(6):
        z = batches[frame].numpy()
        np.testing.assert_array_equal(run.codes[frame], codes[frame])
        np.testing.assert_array_equal(run.latents[frame], z)
        near = ((z[:, None] - codes[frame]) ** 2).sum(-1)
        np.testing.assert_array_equal(run.counts[frame], np.bincount(near.argmin(1), minlength=K))
        assert run.distortion[frame] == pytest.approx(near.min(1).mean(), rel=1e-5)
        np.testing.assert_allclose(run.lag[frame],
                                   np.linalg.norm(codes[frame] - cells(z, codes[frame]).means,
                                                  axis=1), rtol=1e-5)  # fmt: skip
    np.testing.assert_array_equal(run.codes[-1], quantizer.codebook().numpy())


def test_a_probe_follows_the_same_points():
    model, probe = Small(vq()), torch.randn(32, 6)
    monitor = CodebookMonitor(model, probe)
    train(model, 20)
    run = monitor.run()
    with torch.no_grad():
        now = model.eval().encoder(probe).numpy()
    np.testing.assert_allclose(run.latents[-1], now, rtol=1e-6)
    moved = np.sqrt(((run.latents[1] - run.latents[0]) ** 2).sum(-1).mean())
    assert run.drift[0] == pytest.approx(moved / (run.steps[1] - run.steps[0]), rel=1e-5)
    assert run.settings["paired"] and run.counts.sum(1).tolist() == [32] * len(run.steps)


@pytest.mark.parametrize("steps", [40, 500, 3000])
def test_the_history_is_bounded_and_dense_early(steps):
    quantizer = vq(method="ema")
    monitor = CodebookMonitor(quantizer, frames=32, every=50, sample=8)
    quantizer.train()
    for _ in range(steps):
        quantizer(torch.randn(16, D))
    run = monitor.run()
    assert 12 <= len(run.steps) <= 33
    assert run.steps[0] == 0 and run.steps[-1] == steps
    assert run.hits.sum() == 16 * steps
    if steps > 40:
        assert np.median(run.steps) < 0.5 * steps
    assert run.latents.shape[1] == 8


def test_a_large_codebook_gets_fewer_frames():
    quantizer = vqlab.make("ema", dim=8, codebook_size=512)
    monitor = CodebookMonitor(quantizer, sample=4, budget=200_000)
    quantizer.train()
    for _ in range(100):
        quantizer(torch.randn(16, 8))
    assert len(monitor.run().steps) <= history.LEAST + 1


def test_batches_of_any_size_and_latents_that_break():
    quantizer = vq(method="ema")
    monitor = CodebookMonitor(quantizer)
    quantizer.train()
    for count in (20, 5, 1, 50):
        quantizer(torch.randn(count, D))
    run = monitor.run()
    assert run.latents.shape == (5, 20, D) and run.counts.sum(1).tolist() == [20, 5, 1, 20, 20]
    broken = nn.Identity()
    table = torch.zeros(3, 2)
    monitor = CodebookMonitor(broken, read=lambda m, i, o: (i[0], torch.zeros(4).long(), table))
    for step in range(20):
        broken(torch.full((4, 2), float("nan") if step > 9 else 0.0))
    assert monitor.run().settings["broken"] >= 10
    assert "NaN" in str(monitor.diagnose())


def test_stacks_are_watched_level_by_level():
    levels = [vq(i, method="ema", init="normal") for i in range(3)]
    stack = Residual(levels, dropout=True)
    monitor = CodebookMonitor(nn.Sequential(stack))
    stack.train()
    total = torch.zeros(3, dtype=torch.long)
    for _ in range(5):
        tables = [q.codebook().clone() for q in levels]
        z = torch.randn(64, D)
        k = stack(z).indices
        total += (k >= 0).sum(0)
    assert monitor.names == ["0/0", "0/1", "0/2"]
    for i, name in enumerate(monitor.names):
        run = monitor.run(name)
        assert run.hits.sum() == total[i]
        left = z - sum(tables[j][k[:, j].clamp_min(0)] * (k[:, j, None] >= 0) for j in range(i))
        used = left[k[:, i] >= 0].numpy()
        frame = 4
        np.testing.assert_allclose(run.latents[frame][: len(used)], used[: run.latents.shape[1]],
                                   atol=1e-6)  # fmt: skip
    with pytest.raises(ValueError, match="3 codebooks: name one of '0/0', '0/1', '0/2'"):
        monitor.run()
    with pytest.raises(ValueError, match="no codebook '1'; expected '0/0'"):
        monitor.figure("1")
    assert monitor.figure("0/1").layout.title.text == "codebook 0/1"
    said = str(monitor.diagnose())
    assert all(name in said for name in monitor.names)


@pytest.mark.parametrize("method", ["vqgan-fc", "fsq", "lfq", "simvq", "nsvq", "ibq"])
def test_our_methods_are_read_as_they_compare(method):
    size = {"fsq": 81, "lfq": 16}.get(method, K)
    options = {"code_dim": 2} if method == "vqgan-fc" else {}
    quantizer = vqlab.make(method, dim=D, codebook_size=size, seed=0, channel_first=True, **options)
    monitor = CodebookMonitor(quantizer)
    quantizer.train()
    for _ in range(3):
        k = quantizer(torch.randn(5, D, 4, 4)).indices
    run = monitor.run()
    assert run.counts[2].sum() == 80 and run.codes.shape[1] == size
    # What was chosen is what lies nearest in the space that the frame shows.
    near = cells(run.latents[2], run.codes[2]).indices
    assert (near == k.reshape(-1).numpy()).mean() > (0.99 if method != "ibq" else 0)


def test_grouped_and_two_in_one_model():
    model = nn.ModuleDict({"a": vq(method="ema"),
                           "b": Grouped([vq(1, method="ema"), vq(2, method="ema")])})  # fmt: skip
    monitor = CodebookMonitor(model)
    model.train()
    for _ in range(4):
        model["a"](torch.randn(9, D)), model["b"](torch.randn(9, 2 * D))
    assert monitor.names == ["a", "b/0", "b/1"]
    assert [monitor.run(n).hits.sum() for n in monitor.names] == [36, 36, 36]


class VectorQuantizer2(nn.Module):
    """Written after the interface of taming-transformers: channel first, a tuple of three."""

    def __init__(self, size, dim):
        super().__init__()
        self.embedding = nn.Embedding(size, dim)

    def forward(self, z):
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        k = torch.cdist(flat, self.embedding.weight).argmin(1)
        q = self.embedding(k).view(z.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
        loss = (q - z.detach()).square().mean() + 0.25 * (q.detach() - z).square().mean()
        return z + (q - z).detach(), loss, (None, None, k)


def test_taming_style():
    model = nn.Sequential(nn.Conv2d(3, D, 1), VectorQuantizer2(K, D))
    monitor = CodebookMonitor(model)
    table = model[1].embedding.weight.detach().numpy().copy()
    for _ in range(3):
        z = model[0](x := torch.randn(2, 3, D, D))  # all axes equal: the layout must not be guessed
        model(x)
    run = monitor.run()
    assert monitor.names == ["1"] and run.hits.sum() == 3 * 32
    flat = z.detach().permute(0, 2, 3, 1).reshape(-1, D).numpy()
    np.testing.assert_allclose(run.latents[2], flat, rtol=1e-6)
    near = ((flat[:, None] - table) ** 2).sum(-1)
    assert run.distortion[2] == pytest.approx(near.min(1).mean(), rel=1e-5)


def test_remapped_indices_ask_for_a_reader():
    model = VectorQuantizer2(K, D)
    model.remap = "some file"
    CodebookMonitor(model)
    with pytest.raises(ValueError, match="read="):
        model(torch.randn(1, D, 2, 2))


class Strange(nn.Module):
    """Like nothing we know."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(K, D))

    def forward(self, *, z):
        k = torch.cdist(z.movedim(1, -1), self.table).argmin(-1)
        return {"ids": k, "z": z}


def test_any_module_by_a_small_function():
    model = nn.ModuleDict({"inner": Strange()})
    with pytest.raises(ValueError, match="read=lambda"):
        CodebookMonitor(model)
    monitor = CodebookMonitor(
        model, watch="inner", read=lambda m, inputs, out: (inputs[0], out["ids"], m.table)
    )
    for _ in range(3):
        z = torch.randn(2, D, 5)
        k = model["inner"](z=z)["ids"]
    run = monitor.run("inner")
    np.testing.assert_array_equal(run.latents[2], z.movedim(1, -1).reshape(-1, D).numpy())
    np.testing.assert_array_equal(run.counts[2], np.bincount(k.reshape(-1).numpy(), minlength=K))


@pytest.mark.parametrize(
    ("seen", "error"),
    [
        (lambda m, i, o: i[0], "three tensors"),
        (lambda m, i, o: (i[0], i[0], i[0]), "integers"),
        (lambda m, i, o: (i[0], torch.zeros(3).long(), i[0]), "5 of .* length 4, and 3 indices"),
    ],
)
def test_a_reader_that_is_wrong_is_told_so(seen, error):
    model = nn.Identity()
    CodebookMonitor(model, read=seen)
    with pytest.raises((TypeError, ValueError), match=error):
        model(torch.randn(5, D))


def lucid():
    return pytest.importorskip("vector_quantize_pytorch")


PEERS = {
    "plain": lambda lib: lib.VectorQuantize(D, K),
    "image": lambda lib: lib.VectorQuantize(D, K, accept_image_fmap=True),
    "projected": lambda lib: lib.VectorQuantize(D, K, codebook_dim=2),
    "cosine": lambda lib: lib.VectorQuantize(D, K, use_cosine_sim=True),
    "kmeans": lambda lib: lib.VectorQuantize(D, K, kmeans_init=True),
    "heads": lambda lib: lib.VectorQuantize(D, K, heads=2, codebook_dim=2,
                                            separate_codebook_per_head=True),
    "shared heads": lambda lib: lib.VectorQuantize(D, K, heads=2, codebook_dim=2),
    "learned": lambda lib: lib.VectorQuantize(D, K, learnable_codebook=True, ema_update=False),
    "affine": lambda lib: lib.VectorQuantize(D, K, affine_param=True, learnable_codebook=True,
                                             ema_update=False),
    "residual": lambda lib: lib.ResidualVQ(dim=D, codebook_size=K, num_quantizers=3),
    "simvq": lambda lib: lib.SimVQ(D, K),
    "fsq": lambda lib: lib.FSQ([3, 3, 4, 5]),
    "fsq of two": lambda lib: lib.FSQ([3, 4], dim=D, num_codebooks=2),
    "fsq symmetric": lambda lib: lib.FSQ([2, 2, 3, 3], preserve_symmetry=True),
    "lfq": lambda lib: lib.LFQ(dim=D, codebook_size=K),
    "bsq": lambda lib: lib.LFQ(dim=D, codebook_size=K, spherical=True),
    "residual fsq": lambda lib: lib.ResidualFSQ(dim=D, levels=[3, 3], num_quantizers=2),
}  # fmt: skip


@pytest.mark.parametrize("kind", PEERS)
def test_vector_quantize_pytorch(kind):
    torch.manual_seed(0)
    module = PEERS[kind](lucid())
    monitor = CodebookMonitor(nn.ModuleDict({"q": module}))
    module.train()
    shape = (2, D, 6, 5) if kind == "image" else (2, 30, D)
    for _ in range(4):
        module(torch.randn(shape))
    count = {"residual": 3, "heads": 2, "fsq of two": 2, "residual fsq": 2}.get(kind, 1)
    assert len(monitor.names) == count
    for name in monitor.names:
        run = monitor.run(name)
        each = 120 if kind == "shared heads" else 60
        assert run.hits.sum() == 4 * each and run.counts[2].sum() == each
        near = cells(run.latents[2], run.codes[2])
        agree = np.minimum(near.counts, run.counts[2]).sum() / each
        # The library's own search ties where codes are close; a rounding lies on a border or not.
        assert agree > 0.95, (name, agree)


def test_masks_and_second_looks_of_the_peer():
    module = lucid().VectorQuantize(D, K)
    monitor = CodebookMonitor(module)
    mask = torch.zeros(2, 30, dtype=torch.bool)
    mask[:, :10] = True
    for _ in range(3):
        module(torch.randn(2, 30, D), mask=mask)
    assert monitor.run().hits.sum() == 3 * 20


def test_a_probe_does_not_start_the_codes_of_a_peer():
    def trained(probe):
        model = Small(Unpacked(lucid().VectorQuantize(D, K, kmeans_init=True)))
        monitor = CodebookMonitor(model, probe)
        return train(model, 5).state_dict(), monitor.run().steps.tolist()

    (plain, _), (watched, steps) = trained(None), trained(torch.randn(32, 6) + 3)
    assert steps == [1, 2, 3, 4, 5]  # before the first batch there are no codes to look at
    for name, value in plain.items():
        assert torch.equal(value, watched[name]), name


def test_peers_train_the_same_with_a_monitor():
    def model():
        return Small(Unpacked(lucid().VectorQuantize(D, K, threshold_ema_dead_code=1)))

    torch.manual_seed(3)
    plain = model()
    start = copy.deepcopy(plain.state_dict())
    torch.manual_seed(4)
    train(plain, 30)
    watched = model()
    watched.load_state_dict(start)
    monitor = CodebookMonitor(watched, torch.randn(8, 6))
    torch.manual_seed(4)
    train(watched, 30)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert monitor.run().hits.sum() == 30 * 64


class Unpacked(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, z):
        out, k, loss = self.inner(z[None])
        return out[0], k[0], loss.sum()


def test_copies_and_saved_models_carry_no_monitor(tmp_path):
    model = Small(vq())
    monitor = CodebookMonitor(model)
    train(model, 3)
    twin = copy.deepcopy(model)
    train(twin, 2)
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    train(loaded, 2)
    assert b"CodebookMonitor" not in pickle.dumps(model)
    assert monitor.run().steps[-1] == 3
    monitor.close()
    train(model, 2)
    assert monitor.run().steps[-1] == 3
    assert not model.quantizer._forward_hooks and not model.quantizer._forward_pre_hooks


def test_no_graph_is_kept():
    model = Small(vq())
    monitor = CodebookMonitor(model)
    train(model, 3)
    for one in monitor.watched:
        given, chosen, tables = one._latest
        assert not any(x.requires_grad for x in (*given, *chosen, *tables))


def test_autocast():
    model = Small(vq(method="ema"))
    monitor = CodebookMonitor(model)
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(5):
            model(torch.randn(32, 6))
    assert monitor.run().latents.dtype == np.float32 and monitor.run().hits.sum() == 160


# The compiler looks at gradients of tensors that have none.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_compiled_model():
    import torch._dynamo

    torch._dynamo.reset()
    compiled = torch.compile(Small(vq(method="ema")), backend="eager")
    with_probe = CodebookMonitor(compiled, torch.randn(8, 6))
    compiled.train()
    for _ in range(20):
        compiled(torch.randn(32, 6))
    assert with_probe.names == ["quantizer"]
    assert with_probe.run().hits.sum() == 640 and with_probe.run().latents.shape[1] == 8


def test_what_tensorboard_gets():
    written = []
    writer = types.SimpleNamespace(add_scalar=lambda *a: written.append(a))
    model = Small(vq())
    monitor = CodebookMonitor(model, torch.randn(40, 6))
    train(model, 30)
    x = torch.rand(9, 1, 4, 4)
    monitor.picture(x, x + 0.5)
    monitor.log(writer)
    values = {name: value for name, value, step in written}
    assert {step for *_, step in written} == {30}
    run = monitor.run()
    silent = run.last_hit[-1] < 30 - 10
    assert values["codebook/utilization"] == (~silent).mean()
    assert values["codebook/dead codes"] == silent.sum()
    assert values["codebook/reconstruction"] == pytest.approx(0.25)
    assert values["codebook/perplexity"] == pytest.approx(run.perplexity[-1])
    assert np.isfinite(list(values.values())).all()
    with pytest.raises(ValueError, match="equal"):
        monitor.picture(x, x[:3])


def test_the_callback_of_lightning(monkeypatch, capsys):
    model, written = Small(vq()), []
    monitor = CodebookMonitor(model)
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install lightning"):
        monitor.callback()
    stand_in = types.ModuleType("lightning.pytorch")
    stand_in.Callback = type("Callback", (), {})
    monkeypatch.setitem(sys.modules, "lightning", types.ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.pytorch", stand_in)
    callback = monitor.callback(every=10)
    assert isinstance(callback, stand_in.Callback)
    experiment = types.SimpleNamespace(add_scalar=lambda *a: written.append(a))
    trainer = types.SimpleNamespace(logger=types.SimpleNamespace(experiment=experiment))
    for step in range(1, 21):
        train(model, 1, seed=step)
        trainer.global_step = step
        callback.on_train_batch_end(trainer, model, None, None, step)
    assert {step for *_, step in written} == {10, 20}
    callback.on_train_end(trainer, model)
    assert "Remedy" in capsys.readouterr().out


def test_save_and_the_optimum(tmp_path):
    model = Small(vq())
    monitor = CodebookMonitor(model, torch.randn(64, 6))
    train(model, 10)
    monitor.save(tmp_path / "run.npz")
    loaded = Run.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(loaded.codes, monitor.run().codes)
    assert np.isnan(loaded.optimum).all()
    best = monitor.run(optimum="final")
    assert best.excess[-1] >= 1 - 1e-9 and np.isnan(best.optimum[:-1]).all()
    with pytest.raises(ValueError, match="'none', 'final'"):
        monitor.run(optimum="some")


def test_errors_in_words():
    with pytest.raises(ValueError, match="no training step was seen"):
        CodebookMonitor(vq()).run()
    with pytest.raises(ValueError, match="no quantizer found in Linear"):
        CodebookMonitor(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="'decode' is no module of the model; it has .*decoder"):
        CodebookMonitor(Small(vq()), watch="decode")
    with pytest.raises(ValueError, match="decoder is not known"):
        CodebookMonitor(Small(vq()), watch="decoder")
    with pytest.raises(ValueError, match="every"):
        CodebookMonitor(vq(), every=0)


def test_one_process_of_several_says_so(monkeypatch):
    model = Small(vq())
    monitor = CodebookMonitor(model)
    train(model, 5)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    assert "process 1 of 2" in str(monitor.diagnose())


def test_within_distributed_data_parallel(tmp_path):
    from torch.nn.parallel import DistributedDataParallel

    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        model = DistributedDataParallel(Small(vq()))
        monitor = CodebookMonitor(model, torch.randn(8, 6))
        train(model, 5)
        run = monitor.run()
    finally:
        torch.distributed.destroy_process_group()
    assert monitor.names == ["quantizer"] and run.hits.sum() == 5 * 64
    assert run.latents.shape[1] == 8 and run.settings["world"] == 1
