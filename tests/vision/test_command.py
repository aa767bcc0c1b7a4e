"""The command line: shipped configurations run, mistakes are named, nothing is imported early."""

import subprocess
import sys

import pytest
import torch
import yaml

pytest.importorskip("lightning", reason="training needs the extra 'train'")

from vqlab.vision.command import CONFIGS, Refused, config_path, main  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    # Lightning asks jsonargparse in an older way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
# Only sizes are made smaller; what is built, logged and kept stays.
SMALL = {
    "digits": ["--model.network_options", '{"width": 8}'],
    "paper": [
        "--model.network_options",
        '{"width": 8, "outer": 8, "blocks": 1}',
        "--data.options",
        '{"count": 60, "resolution": 64}',
        "--model.codebook_size",
        "64",
        "--model.dim",
        "8",
        "--data.batch",
        "4",
    ],
    "vqgan": [
        "--model.network_options",
        '{"width": 8, "multiples": [1, 2], "blocks": 1, "groups": 4}',
        "--model.codebook_size",
        "64",
        "--model.dim",
        "8",
        "--data.batch",
        "4",
        "--data.options",
        '{"count": 60, "resolution": 64}',
        "--model.perceptual",
        "0",
        "--model.judge_options",
        '{"width": 8, "layers": 2}',
    ],
    "dynamic": [
        "--model.network_options",
        '{"plan": "resnet", "halvings": 3, "shares": [0.5], "router_options": {"warmup": 1}, '
        '"width": 8, "multiples": [1, 1, 1, 1, 2], "blocks": 1, "groups": 4}',
        "--model.codebook_size",
        "64",
        "--model.dim",
        "8",
        "--data.batch",
        "4",
        "--data.options",
        '{"count": 30, "resolution": 64}',
        "--data.size",
        "64",
        "--model.perceptual",
        "0",
        "--model.judge_options",
        '{"width": 8, "layers": 2}',
    ],
    "followup": [
        "--model.network_options",
        '{"width": 8, "multiples": [1, 1, 1, 2], "blocks": 1, "groups": 4}',
        "--model.codebook_size",
        "64",
        "--model.dim",
        "8",
        "--data.batch",
        "4",
        "--data.options",
        '{"count": 30, "resolution": 128}',
        "--model.perceptual",
        "0",
        "--model.judge_options",
        '{"width": 8, "layers": 2}',
    ],
}


def test_every_configuration_is_tested():
    assert set(SMALL) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_two_steps(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    words = [
        "fit",
        "--config",
        name,
        "--trainer.max_steps",
        "2",
        *SMALL[name],
        "--trainer.limit_val_batches",
        "2",
        "--trainer.enable_progress_bar",
        "false",
    ]
    cli = main([*words, "--trainer.val_check_interval", "2"])
    assert cli.trainer.global_step == 2
    folder = tmp_path / "runs" / name
    kept = {path.name for path in (folder / "checkpoints").glob("*.ckpt")}
    assert "step-2.ckpt" in kept and any(k.startswith("best-val-psnr") for k in kept)
    assert list(folder.glob("logs/*/events*"))
    header = next(folder.glob("csv/*/metrics.csv")).read_text().splitlines()[0].split(",")
    assert {"val/psnr", "val/utilization", "val/perplexity", "val/mse"} <= set(header)
    saved = yaml.safe_load(next(folder.glob("logs/*/config.yaml")).read_text())
    assert saved["model"]["init_args"]["method"] == cli.model.hparams["method"]
    assert saved["trainer"]["max_steps"] == 2


def test_the_papers_settings():
    """Research notes, section 3.1 and 3.2: what the released code trains CelebA-HQ with."""
    said = yaml.safe_load((CONFIGS / "paper.yaml").read_text())
    model, data = said["model"]["init_args"], said["data"]
    assert (model["codebook_size"], model["dim"], model["network"]) == (1024, 64, "paper")
    assert (model["rate"], model["gamma"], model["clip"]) == (5e-4, 0.995, 1.0)
    assert (data["batch"], data["size"], said["trainer"]["max_epochs"]) == (16, 64, 300)
    callbacks = {
        c["class_path"].split(".")[-1]: c.get("init_args", {}) for c in said["trainer"]["callbacks"]
    }
    stop = callbacks["EarlyStopping"]
    assert (stop["monitor"], stop["mode"]) == ("val/ms-ssim", "max")
    assert (stop["patience"], stop["min_delta"]) == (20, 0.002)


def test_a_name_or_a_path_and_nothing_else(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("{}")
    assert config_path(str(mine)) == str(mine)
    assert config_path("digits") == str(CONFIGS / "digits.yaml")
    with pytest.raises(Refused, match="no configuration 'digit'.*digits, followup"):
        config_path("digit")


DIGITS = ["--config", "digits", "--trainer.enable_progress_bar", "false", *SMALL["digits"]]


def test_another_folder_holds_everything_and_the_best_is_what_is_tested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    place = ["--trainer.default_root_dir", "new/place"]
    main(["fit", *DIGITS, *place, "--trainer.max_steps", "2", "--trainer.val_check_interval", "2"])
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    there = {path.name for path in (tmp_path / "new" / "place").iterdir()}
    assert there == {"checkpoints", "csv", "logs", "recording.npz"}
    best = next((tmp_path / "new" / "place" / "checkpoints").glob("best-*.ckpt"))
    trained = torch.load(best, weights_only=True)["state_dict"]
    tested = main(["test", *DIGITS, *place]).model.state_dict()
    assert trained.keys() <= tested.keys()
    assert all(torch.equal(tested[name], value) for name, value in trained.items())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "--model.method", "nonsense"], "unknown method 'nonsense'; choose one of vq, ema"),
        (["fit", "--model.codebook_size", "-3"], "codebook_size must be an integer >= 1, got -3"),
        (["fit", "--data.batch", "4000"], "a batch of 4000 needs as many training pictures"),
        (["fit", "--ckpt_path", "no.ckpt"], "no checkpoint at no.ckpt; in .*checkpoints: none"),
        (["test"], "holds no checkpoint: train first"),
        (["validate", "--ckpt_path", "no.ckpt"], "no checkpoint at no.ckpt"),
    ],
)
def test_a_mistake_is_one_sentence(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    with pytest.raises(Refused, match=f"^[^\n]*{said}[^\n]*$"):
        main([words[0], *DIGITS, *words[1:]])


def test_a_command_without_a_configuration_is_told_which_there_are():
    with pytest.raises(Refused, match="--config with a file or digits, followup"):
        main(["fit", "--model.method", "vq"])


def test_a_shell_sees_no_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", "digts"])
    with pytest.raises(SystemExit, match="^error: no configuration 'digts'"):
        main()


def test_the_library_starts_without_the_extra(tmp_path):
    """As if Lightning were not there: everything else works, and one sentence says what to do."""
    code = """
import sys
for name in ("lightning", "torchmetrics", "jsonargparse", "tensorboard"):
    sys.modules[name] = None
import vqlab, vqlab.vision
vqlab.vision.train("vq", steps=1, record=2, codebook_size=8, progress=False)
sys.argv = ["train", "fit"]
try:
    import runpy
    runpy.run_module("vqlab.vision.train", run_name="__main__")
except ImportError as error:
    assert "pip install -e '.[train]'" in str(error), error
else:
    raise SystemExit("no sentence")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_neither_lightning_nor_torchvision_is_imported_at_start():
    heavy = "{'lightning', 'torchmetrics', 'torchvision'}"
    code = f"import sys, vqlab.vision; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
