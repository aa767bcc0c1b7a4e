"""A microscope for models of one's own: watches the codebooks of any model while it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..quantizers.processes import rank_of_world
from .adapters import KNOWN, Read
from .diagnosis import Diagnosis, diagnose
from .evidence import window_of
from .history import as_run
from .watch import Hook, Watch, found_in, run_untouched
from .writers import callback, log_to

if TYPE_CHECKING:
    from ..drift.run import Run


class CodebookMonitor:
    r"""Watches every codebook in a model through forward hooks, and changes nothing.

    A *step* is a call of the quantizer in training mode; calls in evaluation mode are not seen. At
    every step the choices are counted; now and then a frame is kept: the codes before the step, a
    sample of the latents, and what :class:`vqlab.Run` needs besides. The history is bounded.

    Args:
        model: holds one quantizer or more, found by kind: this library's, those of
            vector-quantize-pytorch, taming-style ones. Of a compiled model, make the monitor
            after ``torch.compile(model)`` and before the first call.
        probe: inputs of the model (a tensor, or a tuple of arguments). At each frame the model runs
            on them in evaluation mode, without gradient, with torch's, numpy's and Python's
            generators put back: the same latents through time, so that the drift is measured point
            by point. Without a probe the frames hold the latents of the step's own batch, and drift
            is the least that two such samples prove (:func:`vqlab.measure.travel.travel`).
        read: ``read(module, inputs, output) -> (latents, indices, codebook)`` for a quantizer that
            is not known: latents (..., D), or (B, D, ...) where the second axis alone has length D;
            indices of as many latents, -1 for none; codebook (K, D), as it is after the call.
        watch: names or modules to watch; default all that are known, with ``read`` the model.
        frames: most frames kept, at least 16. every: most steps between two (it doubles whenever
            the history is full). sample: most latents of a frame. budget: bytes of history for each
            codebook.

    Raises:
        ValueError: no quantizer found, or an unknown name in ``watch``.

    Limits: of several processes each sees its own share of a batch. A step is a call: with gradient
    accumulation there are several to an update of the weights, under activation checkpointing a
    call may count twice, and a table that L residual levels of vector-quantize-pytorch share counts
    L times.
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Any = None,
        *,
        read: Read | None = None,
        watch: str | nn.Module | Sequence[str | nn.Module] | None = None,
        frames: int = 96,
        every: int = 500,
        sample: int = 4096,
        budget: int = 256 << 20,
    ) -> None:
        for name, value in {"frames": frames, "every": every, "sample": sample}.items():
            if int(value) != value or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        self.model = model
        self.inputs = probe if isinstance(probe, tuple) or probe is None else (probe,)
        self.pictures: tuple[Tensor, Tensor] | None = None
        self.errors: list[tuple[int, float]] = []
        self.listeners: list[Callable[[], None]] = []  # called after every step
        self._handles: list[Any] = []
        self._probing = False
        self.watched: list[Watch] = [
            Watch(name, module, reader, dict(frames=max(frames, 16), every=every, sample=sample,
                                             budget=budget))
            for name, module, reader in found_in(model, read, watch)
        ]  # fmt: skip
        if not self.watched:
            raise ValueError(
                f"no quantizer found in {type(model).__name__}; known are {KNOWN}; for any other, "
                "pass watch='its name' and read=lambda module, inputs, output: (latents, indices, "
                "codebook)"
            )
        for one in self.watched:
            before, after = Hook(self._before, one), Hook(self._after, one)
            self._handles += [
                one.module.register_forward_pre_hook(before, with_kwargs=True),
                one.module.register_forward_hook(after, with_kwargs=True),
            ]

    @torch.no_grad()
    def _before(self, one: Watch, args: Any, kwargs: Any) -> None:
        if self._probing:
            one.tables = one.codes()
        elif one.counts_call(kwargs) and one.histories_due():
            if self.inputs is None:
                one.tables = one.codes()
            elif all(other.ready() for other in self.watched):
                self._look(keep=True)  # else the probe would start the codes, not the first batch

    @torch.no_grad()
    def _after(self, one: Watch, args: Any, kwargs: Any, output: Any) -> None:
        inputs = (*args, *kwargs.values())
        if self._probing:
            one.seen(inputs, output)
        elif one.counts_call(kwargs):
            one.seen(inputs, output)
            if one.histories_due() and self.inputs is None:
                one.keep()
            one.count()
            if one is self.watched[-1]:
                for listener in self.listeners:
                    listener()

    def _look(self, keep: bool) -> None:
        """Runs the model on the probe; the frames it gives are kept, or only prepared."""
        for one in self.watched:
            one.forget()
        self._probing = True
        try:
            run_untouched(self.model, self.inputs or ())
        finally:
            self._probing = False
        for one in self.watched:
            if keep:
                one.keep()

    @property
    def names(self) -> list[str]:
        """Of the codebooks, in the order of the model."""
        return [name for one in self.watched for name in one.histories]

    def run(self, name: str | None = None, optimum: str = "none") -> Run:
        """What was seen of a codebook until now, as a :class:`vqlab.Run`.

        Its last frame is the present: the codes as they are, the latents of the last step (or of
        the probe). Counts, distortion and lag are those of the kept latents by the quantizer's own
        choice. Drift is the net way to the next frame, per step. Terms: ``spread`` (of the latents)
        and, if pictures were given, ``reconstruction``.

        Args:
            name: which, of several. optimum: as in :func:`vqlab.simulate`; of one k-means start.
        Raises:
            ValueError: no step seen yet, an unknown name, or none where there are several.
        """
        name = self._one(name)
        one = next(w for w in self.watched if name in w.histories)
        frames = list(one.histories[name].frames)
        if one.steps and one.steps > (frames[-1]["steps"] if frames else -1):
            if self.inputs is not None:
                self._look(keep=False)
            frames += [f for f in [one.present(name)] if f is not None]
        if len(frames) < 2:
            raise ValueError(
                f"{name}: no training step was seen. Was the model called in training mode, after "
                "the monitor was made? A compiled model must not have run before it."
            )
        steps = np.array([f["steps"] for f in frames])
        terms = {}
        if self.errors:
            when, errors = np.array(self.errors).T
            at = np.searchsorted(when, steps, side="right") - 1
            terms["reconstruction"] = np.where(at < 0, np.nan, errors[at])
        rank, world = rank_of_world()
        settings = {
            "method": name, "source": "monitor", "paired": self.inputs is not None,
            "broken": one.histories[name].broken, "rank": rank, "world": world,
        }  # fmt: skip
        return as_run(frames, settings, optimum, terms, one.histories[name].ways)

    def diagnose(self, name: str | None = None) -> Diagnosis:
        """What is wrong with a codebook, in words; of all codebooks without a name."""
        names = self.names if name is None else [self._one(name)]
        parts = [diagnose(self.run(one), one) for one in names]
        return Diagnosis(
            tuple(f for p in parts for f in p.findings), tuple(n for p in parts for n in p.notes)
        )

    def save(self, path: str | Path, name: str | None = None) -> None:
        """Writes :meth:`run` to a ``.npz`` that ``vqlab.Run.load`` reads."""
        self.run(name).save(path)

    def log(self, writer: Any, prefix: str = "codebook") -> None:
        """Writes the present to anything with ``add_scalar(name, value, step)``: TensorBoard."""
        log_to(self, writer, prefix)

    def callback(self, writer: Any = None, every: int = 100) -> Any:
        """A Lightning callback that logs every so many steps and prints the diagnosis at the end.

        Raises:
            ImportError: without Lightning.
        """
        return callback(self, writer, every)

    def picture(self, original: Tensor, reconstruction: Tensor) -> None:
        """Keeps up to eight pictures (B, C, H, W) and what became of them, and their error."""
        if original.shape != reconstruction.shape or original.ndim != 4:
            raise ValueError(
                f"expected two equal (B, C, H, W), got {tuple(original.shape)} and "
                f"{tuple(reconstruction.shape)}"
            )
        pair = [x.detach()[:8].float().cpu().clone() for x in (original, reconstruction)]
        self.pictures = (pair[0], pair[1])
        error = float((original.detach().float() - reconstruction.detach().float()).square().mean())
        self.errors.append((max(w.steps for w in self.watched), error))
        if len(self.errors) > 10_000:
            self.errors = self.errors[::2]

    def figure(self, name: str | None = None) -> Any:
        """The dashboard of a codebook as a plotly figure; of several, its name stands above."""
        from ..plots.dashboard import dashboard  # figures are heavy, and only wanted here

        run = self.run(name)
        title = f"codebook {self._one(name)}" if len(self.names) > 1 else None
        return dashboard(run, window_of(run)[0], self.pictures, title=title)

    def show(self, name: str | None = None, seconds: float = 1.0) -> Any:
        """The dashboard, live: in a notebook it follows the training, at most once a second.

        Elsewhere, or where ``anywidget`` is missing, the figure of the present.
        """
        from ..explorers.watching import live  # widgets likewise

        return live(self, self._one(name), seconds)

    def close(self) -> None:
        """Takes the hooks away; what was seen stays."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> CodebookMonitor:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        seen = ", ".join(f"{w.name}: {w.steps} steps" for w in self.watched)
        return f"CodebookMonitor({seen})"

    def _one(self, name: str | None) -> str:
        if name is None and len(self.names) == 1:
            return self.names[0]
        if name not in self.names:
            known = ", ".join(map(repr, self.names))
            raise ValueError(
                f"the model has {len(self.names)} codebooks: name one of {known}"
                if name is None
                else f"no codebook {name!r}; expected {known}"
            )
        return name
