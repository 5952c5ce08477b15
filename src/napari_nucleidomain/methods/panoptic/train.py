"""Training of the panoptic model: one loop, seven losses (Liu et al., section 3.3)."""

from __future__ import annotations

from typing import Any

import torch

from napari_nucleidomain.contracts import ModelCard, RunContext, Step, load_card
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.trained import check_parent, put_weights, unchanged_model, weights_of
from napari_nucleidomain.networks.detection.weights import EARLY, begin_from_imagenet
from napari_nucleidomain.training.card import begin_card, flattering, short_digest
from napari_nucleidomain.training.diverging import Guard
from napari_nucleidomain.training.ema import WeightAverage
from napari_nucleidomain.training.normalise import Normalise
from napari_nucleidomain.training.schedules import set_learning_rate, warm_cosine
from napari_nucleidomain.training.start import start
from napari_nucleidomain.training.team import Team

from .checking import Checker
from .config import PanopticConfig
from .lessons import kept_back_in, load_outlined
from .model import new_detector, size_warning, smallest_anchor, typical_diameter
from .segment import METHOD, PanopticSegmenter, read_config
from .views import Views

STAGE = "detector"


def train(run: RunContext, dataset: Dataset, config: PanopticConfig) -> None:
    """Train the detector.

    Parameters
    ----------
    run : RunContext
        Reports, stops, resumes.
    dataset : Dataset
        Training images with outlines; those for checking are only looked at.
    config : PanopticConfig

    Raises
    ------
    NucleiError
        The data, the device or the model to continue from will not do.
    """
    _Training(run, dataset, config).run_all()


class _Training:
    """The images, the network and its running average."""

    def __init__(self, run: RunContext, dataset: Dataset, config: PanopticConfig) -> None:
        self.run = run
        self.lessons = load_outlined(dataset, config.keep_back, run.warn)
        self.images = self.lessons.teach
        self.channels = self.images[0].pixels.shape[-1]
        self.diameter = typical_diameter(self.images)
        self.digest = "-".join([str(dataset.digest()), *(one.digest() for one in self.images)])
        self.fabric = start(run, config.precision, f"{self.digest}:{config.model_dump_json()}:{run.seed}")
        self.team = Team(run.team, self.fabric)
        self.guard = Guard(run.warn, "rate")
        self.device = self.fabric.device
        self.normalise = Normalise.of([one.pixels for one in self.images]).to(self.device)
        torch.manual_seed(run.seed)
        self.steps = self.frozen_stages = 0
        self.config = self._begin(config)
        # Whether all was done; else somebody stopped it, or wants what there is now.
        self.complete = False

    def _begin(self, config: PanopticConfig) -> PanopticConfig:
        """Make the network: a model's, or a new one with ImageNet's weights or random ones; the whole configuration."""
        if self.run.parent is None:
            config = config.model_copy(update={"anchor_px": smallest_anchor(config, self.diameter)})
            self.detector = new_detector(config, self.channels)
        else:
            card = load_card(self.run.parent)
            old = read_config(card)
            check_parent(card, old, config, self.channels)
            # Boxes are said relative to the anchors that the network has learned with.
            if config.anchor_px not in (0, old.anchor_px):
                self.run.warn(
                    f"anchor_px = {config.anchor_px:g} is not used: a model that is continued keeps the boxes it has "
                    f"learned with, {old.anchor_px:g} px.",
                    "Begin a new model for other boxes.",
                )
            config = config.model_copy(update={"anchor_px": old.anchor_px})
            self.normalise = self.normalise.continued(card, self.run.warn)
            self.detector = new_detector(config, self.channels)
            put_weights(self.detector, load_weights(self.run.parent), "detector.", card)
            self.freeze(int(card.trained_on.get("frozen_stages", 0)))
        if told := size_warning(self.diameter, config.anchor_px, self.run.parent is not None):
            self.run.warn(*told)
        return config

    def run_all(self) -> None:
        """The loop."""
        run, config = self.run, self.config
        run.plan(**{STAGE: 1.0})
        self.detector.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if not self.team.leads:
            self._follow()
            return
        self.average = WeightAverage(self.detector, config.average_decay)
        self.checker = Checker(run, self.lessons)
        optimiser = self._optimiser()
        progress = _Progress(self)
        run.track(
            progress=progress,
            checks=self.checker,
            detector=self.detector,
            average=self.average,
            optimiser=optimiser,
        )
        if not progress.restored and run.parent is None and config.imagenet:
            # Not on resuming: the checkpoint has them, and whether they can be had now changes nothing.
            if begin_from_imagenet(self.detector, config.imagenet_file, run, freeze=0) and config.norm == "frozen":
                self.freeze(EARLY)
            self.average.restart(self.detector)
        run.offer(self._build)
        with run.stage(STAGE) as stage:
            if stage.needed:
                views = Views(self.images, config, self.device)
                total = config.steps if run.step_budget is None else run.step_budget
                for step in run.steps(STAGE, total):
                    self._one_step(step, views, optimiser, total)
                self.guard.finish()
                self.checker.score(self._segmenter(), self.steps, last=True)
        self.complete = True

    def _follow(self) -> None:
        """The loop of a process that only computes gradients: no average, no optimiser, no checks."""
        with self.run.stage(STAGE):
            views = Views(self.images, self.config, self.device)
            for step in self.run.steps(STAGE, 0):
                self._gradients(step, views)

    def _optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        # Frozen ones too: which these are must not change what a checkpoint of the optimiser looks like.
        learned = list(self.detector.parameters())
        if config.optimiser == "adamw":
            return torch.optim.AdamW(learned, config.rate, weight_decay=config.weight_decay)
        return torch.optim.SGD(learned, config.rate, momentum=config.momentum, weight_decay=config.weight_decay)

    def freeze(self, stages: int) -> None:
        """Let the backbone's first stages learn no more."""
        self.frozen_stages = stages
        self.detector.backbone.freeze(stages)

    def _one_step(self, step: Step, views: Views, optimiser: torch.optim.Optimizer, total: int) -> None:
        config = self.config
        losses = self._gradients(step, views)
        set_learning_rate(optimiser, config.rate * rate_factor(config, step, total))
        if self.guard.takes(self.detector, losses.values(), config.gradient_limit):
            optimiser.step()
            self.average.update(self.detector)
            self.steps += 1
        if step.index % 10 == 0:
            shown = {name: float(one.detach()) for name, one in losses.items()}
            self.run.metric(loss=sum(shown.values()), **shown)
        if self.checker.due(step):
            self.checker.look(self._segmenter(), step)

    def _gradients(self, step: Step, views: Views) -> dict[str, torch.Tensor]:
        """The losses of a step, and their gradients in the network."""
        images, targets = views.draw(step.rng, self.team.part)
        seeds = step.rng.integers(2**62, size=self.config.batch)[self.team.part].tolist()
        self.team.weights(self.detector)
        with self.fabric.autocast():
            losses: dict[str, torch.Tensor] = self.detector(self.normalise(images), targets, seeds)
        loss = torch.stack([one.float() for one in losses.values()]).sum()
        self.detector.zero_grad(set_to_none=True)
        loss.backward()
        return self.team.gradients(self.detector, losses)

    def _segmenter(self) -> PanopticSegmenter:
        mean, std = (part.flatten().tolist() for part in (self.normalise.mean, self.normalise.std))
        return PanopticSegmenter(self.average.network, self.config, mean, std, round(self.diameter, 2), self.device)

    def _build(self) -> tuple[dict[str, Any], ModelCard] | None:
        """The model of the present state; see `RunContext.offer`."""
        if self.steps == 0:
            return unchanged_model(self.run) if self.run.parent else None
        self.checker.settle(self._segmenter(), self.steps, hurry=not self.complete)
        mean, std = (part.flatten().tolist() for part in (self.normalise.mean, self.normalise.std))
        card = begin_card(
            self.run,
            METHOD,
            self.config,
            [one.image for one in self.images],
            self.channels,
            nucleus_diameter_px=round(self.diameter, 2),
            normalisation={"range": "per image", "mean": mean, "std": std},
            trained_on={
                "images": list(dict.fromkeys(one.name for one in self.images)),
                "outlines": sum(one.nuclei for one in self.images),
                "corrected": sum(one.corrected for one in self.images),
                "kept_back": sum(one.nuclei for one in self.lessons.check) if self.lessons.kept_back else 0,
                "pixels": int(sum((one.known >= 0).sum() for one in self.images)),
                "frozen_stages": self.frozen_stages,
                "kept_back_in": kept_back_in(self.lessons),
                "digest": short_digest(self.digest),
            },
            steps=self.steps,
            scores=self.checker.scores_for_card(self.steps),
            checked=self.checker.checked_for_card(),
            classical=self.checker.classical_for_card(self.steps),
            before=self.checker.before_for_card(self.steps),
        )
        card = flattering(card, self.run.parent, card.trained_on["kept_back_in"])
        return weights_of(detector=self.average.network), card


def rate_factor(config: PanopticConfig, step: Step, total: int) -> float:
    """Factor of the learning rate: warm-up, then the paper's two drops, or a cosine (sections 3.3 and 4.2)."""
    if config.schedule == "cosine":
        return warm_cosine(step.fraction)
    # Where the whole is shorter than the schedule was made for, so is the warm-up.
    warm = min(config.warm_steps, total * config.warm_steps / config.steps)
    rising = min(1.0, (step.index + 1) / warm) if warm else 1.0
    if step.fraction >= config.second_drop:
        return 0.01 * rising
    return (0.1 if step.fraction >= config.first_drop else 1.0) * rising


class _Progress:
    """What a card says of the work done, so that it is the same after a resume."""

    def __init__(self, training: _Training) -> None:
        self._training = training
        self.restored = False

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._training.steps, "frozen_stages": self._training.frozen_stages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.restored = True
        self._training.steps = int(state["steps"])
        self._training.freeze(int(state["frozen_stages"]))
