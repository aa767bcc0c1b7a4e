"""The command line: shipped configurations run, mistakes are named, nothing is imported early."""

import shlex
import subprocess
import sys

import pytest
import torch
import yaml
from PIL import Image

pytest.importorskip("lightning", reason="training needs the extra 'train'")

from vqlab.vision import ahead  # noqa: E402
from vqlab.vision.command import CONFIGS, Refused, config_path, main  # noqa: E402
from vqlab.vision.data import Pictures  # noqa: E402
from vqlab.vision.setting import accelerator  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    # Lightning asks jsonargparse in an older way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
# Only sizes are made smaller; what is built, logged and kept stays.
CODES = "--model.codebook_size 64 --model.dim 8 --data.batch 4"
JUDGE = """--model.perceptual 0 --model.judge_options '{"width": 8, "layers": 2}'"""
FACES = """--model.codebook_size 16 --model.dim 4 --data.batch 4 --data.size 16
    --data.options '{"count": 30, "resolution": 16}' --model.perceptual 0
    --model.judge_options '{"width": 4, "layers": 1}'
    --model.method_options '{"every": 1, "until": 1, "reservoir": 64}'
    --model.network_options '{"width": 4, "multiples": [1, 1, 2], "blocks": 1, "groups": 2}'"""
SMALL = {name: shlex.split(words) for name, words in {
    "digits": """--model.network_options '{"width": 8}'""",
    "paper": f"""{CODES} --data.options '{{"count": 60}}'
        --model.network_options '{{"width": 8, "outer": 8, "blocks": 1}}'""",
    "vqgan": f"""{CODES} {JUDGE} --data.options '{{"count": 60}}' --model.network_options
        '{{"width": 8, "multiples": [1, 2], "blocks": 1, "groups": 4}}'""",
    "dynamic": f"""{CODES} {JUDGE} --data.options '{{"count": 30, "resolution": 64}}'
        --data.size 64 --model.network_options
        '{{"plan": "resnet", "halvings": 3, "shares": [0.5], "router_options": {{"warmup": 1}},
        "width": 8, "multiples": [1, 1, 1, 1, 2], "blocks": 1, "groups": 4}}'""",
    "followup": f"""{CODES} {JUDGE} --data.options '{{"count": 30}}' --model.network_options
        '{{"width": 8, "multiples": [1, 1, 1, 2], "blocks": 1, "groups": 4}}'""",
    "vqfr_dictionary": FACES,
    "vqfr": f"{FACES} --model.guide 4 --model.groups 2",
}.items()}  # fmt: skip


def with_dictionary(name, folder):
    """The restoration begins where the training of its dictionary ended."""
    if name != "vqfr":
        return []
    steps = ["--trainer.max_steps", "1", "--trainer.limit_val_batches", "1"]
    place = ["--trainer.default_root_dir", str(folder / "first")]
    quiet = ["--trainer.enable_progress_bar", "false"]
    main(["fit", "--config", "vqfr_dictionary", *SMALL["vqfr_dictionary"], *steps, *place, *quiet])
    kept = next((folder / "first" / "checkpoints").glob("step-1.ckpt"))
    return ["--model.dictionary", str(kept)]


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
        *with_dictionary(name, tmp_path),
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


def test_an_apple_gpu_is_not_chosen_by_itself(tmp_path, monkeypatch):
    from lightning.pytorch.accelerators import CPUAccelerator
    from lightning.pytorch.trainer.connectors import accelerator_connector

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr(accelerator_connector, "_select_auto_accelerator", lambda: "mps")
    words = ["fit", "--config", "digits", "--trainer.max_steps", "1", *SMALL["digits"],
             "--trainer.limit_val_batches", "0",
             "--trainer.enable_progress_bar", "false"]  # fmt: skip
    assert isinstance(main(words).trainer.accelerator, CPUAccelerator)
    assert accelerator("auto") == "cpu" and accelerator("mps") == "mps"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert accelerator("auto") == "auto"


def test_a_folder_of_ones_own_from_the_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    for i in range(40):
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.new("RGB", (70, 64), (6 * i, 90, 200)).save(tmp_path / f"mine/{i:02d}.jpg")
    (tmp_path / "mine/07.jpg").write_bytes(b"damaged")
    words = ["fit", "--config", "paper", *SMALL["paper"], "--trainer.max_steps", "2"]
    at = words.index("--data.options")
    del words[at : at + 2]
    words += ["--trainer.val_check_interval", "2", "--trainer.enable_progress_bar", "false"]
    words += ["--data.source", "folder", "--data.path", "mine", "--data.split", "paper"]
    with pytest.raises(Refused, match="mine/07.jpg is no whole picture"):
        main(words)
    cli = main([*words, "--data.options.bad", "skip"])
    assert cli.trainer.global_step == 2
    assert [len(part) for part in cli.datamodule.parts] == [29, 4, 6]
    with pytest.raises(Refused, match="^no folder at elsewhere$"):
        main([*words, "--data.path", "elsewhere"])


def test_prepared_ahead_and_trained_on(tmp_path, monkeypatch, capsys, cache):
    ahead.main(["faces", "--count", "20", "--resolution", "8", "--workers", "1"])
    said = capsys.readouterr().out
    assert "20 pictures of 8 x 8 pixels, 0 skipped" in said
    path = said.split("--data.path ")[1].strip()
    assert path.startswith(str(cache)) and len(Pictures("prepared", path=path, batch=2).parts.test)
    for words, wrong in [
        (["folder", str(tmp_path / "none")], "^error: no folder at .*none"),
        (["celeba-hq", "some/set", "--revision", "main"], "^error: name the commit of some/set"),
        (["faces", "--resolution", "2"], "^error: resolution must be 8 to 1024"),
    ]:
        with pytest.raises(SystemExit, match=wrong):
            ahead.main(words)


def test_a_restoration_needs_its_dictionary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    words = ["fit", "--config", "vqfr", *SMALL["vqfr"], "--trainer.enable_progress_bar", "false"]
    with pytest.raises(Refused, match="^no dictionary at gone.ckpt: train one with"):
        main([*words, "--model.dictionary", "gone.ckpt"])
    given = with_dictionary("vqfr", tmp_path)
    with pytest.raises(Refused, match="is of another network or method: give"):
        main([*words, *given, "--model.codebook_size", "8"])
    with pytest.raises(ValueError, match="^restoration needs a dictionary"):
        main(words)


def test_a_resumed_restoration_sees_the_same_damage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    words = ["fit", "--config", "vqfr", *SMALL["vqfr"], *with_dictionary("vqfr", tmp_path)]
    words += ["--trainer.enable_progress_bar", "false", "--trainer.limit_val_batches", "1"]
    for place, steps, more in (("whole", "3", []), ("halved", "2", []),
                               ("halved", "3", ["--resume", "true"])):  # fmt: skip
        main([*words, *more, "--trainer.max_steps", steps, "--trainer.default_root_dir", place])
    one, other = (
        torch.load(tmp_path / place / "checkpoints/step-3.ckpt", weights_only=True)["state_dict"]
        for place in ("whole", "halved")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    first = next((tmp_path / "first/checkpoints").glob("step-1.ckpt"))
    codes = torch.load(first, weights_only=True)["state_dict"]["model.quantizer.codebook.table"]
    assert torch.equal(one["model.teacher.quantizer.codebook.table"], codes)  # nothing moved it


def test_the_restorations_settings():
    """Research notes, section 4: the released options of the first version."""
    said = yaml.safe_load((CONFIGS / "vqfr.yaml").read_text())
    first = yaml.safe_load((CONFIGS / "vqfr_dictionary.yaml").read_text())
    model, trained = said["model"]["init_args"], first["model"]["init_args"]
    same = ("method", "method_options", "codebook_size", "dim", "network", "network_options")
    assert all(model[name] == trained[name] for name in same)
    assert (model["codebook_size"], model["dim"], model["rate"]) == (1024, 256, 1e-5)
    assert model["network_options"]["multiples"] == [1, 1, 2, 2, 2, 4]  # f = 32
    assert model["degradation"] == {"sigma": [0.1, 10.0], "factor": [0.8, 8.0], "noise": [0, 20],
                                    "quality": [60, 100], "kernel": 41}  # fmt: skip
    assert (said["data"]["batch"], said["data"]["size"]) == (16, 512)


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
    with pytest.raises(Refused, match="no configuration 'digit'.*digits, .*followup"):
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
    with pytest.raises(Refused, match="--config with a file or digits, .*followup"):
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
