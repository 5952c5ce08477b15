"""Training of AD-GAN: images and drawn masks go through one generator, aligned (sections 3.2 to 3.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from napari_nucleidomain.contracts import ModelCard, NucleiError, RunContext, Step, load_card
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.trained import check_parent, put_weights, unchanged_model, weights_of
from napari_nucleidomain.networks.adgan import (
    AlignedTraining,
    Discriminator,
    Generator,
    LossSettings,
)
from napari_nucleidomain.training.card import begin_card, short_digest
from napari_nucleidomain.training.diverging import Guard
from napari_nucleidomain.training.ema import WeightAverage
from napari_nucleidomain.training.schedules import set_learning_rate
from napari_nucleidomain.training.start import start

from .config import AdganConfig
from .consistency import Judge
from .facts import Facts
from .lessons import Crops, as_batch, channels_last, draw_masks
from .pictures import MOST_PIXELS, Picture, Smoothing, find_smoothing, fitting, load_pictures, sigma_of, to_work
from .segment import METHOD, AdganSegmenter, network_settings, read_config
from .sizes import Drawn, crop_shape, factors_of, find_sizes, mask_settings
from .watching import Watcher

STAGE = "translate"
_SIZES = "sizes"


def train(run: RunContext, dataset: Dataset, config: AdganConfig) -> None:
    """Train the generator; no label is read.

    Parameters
    ----------
    run : RunContext
        Reports, stops, resumes.
    dataset : Dataset
        Training images; everything else in it is left alone.
    config : AdganConfig

    Raises
    ------
    NucleiError
        The images, the sizes, the device or the model to continue from will not do, or training has collapsed.
    """
    _Training(run, dataset, config).run_all()


class _Training:
    """The images, the networks and the running average of the generator."""

    def __init__(self, run: RunContext, dataset: Dataset, config: AdganConfig) -> None:
        self.run, self.config = run, config
        self.pictures = load_pictures(dataset, config.z_step, run.warn)
        self.ndim = self.pictures[0].pixels.ndim
        self.digest = "-".join(one.digest() for one in self.pictures)
        self.fabric = start(run, config.precision, f"{self.digest}:{config.model_dump_json()}:{run.seed}")
        self.device = self.fabric.device
        # One each: what one network learns must not hide that the other has diverged.
        self.guards = Guard(run.warn, "rate"), Guard(run.warn, "rate")
        torch.manual_seed(run.seed)
        settings = network_settings(config, self.ndim)
        self.generator, self.discriminator = Generator(settings), Discriminator(settings)
        if run.parent is not None:
            self._continue_from(load_card(run.parent))
        memory: Any = {"memory_format": channels_last(self.ndim)}
        self.generator.to(self.device, **memory)
        self.discriminator.to(self.device, **memory)
        self.steps = 0
        # Whether all was done; else somebody stopped it, or wants what there is now.
        self.complete = False

    def _continue_from(self, card: ModelCard) -> None:
        assert self.run.parent is not None
        if card.ndim != self.ndim:
            kinds = {2: "flat images", 3: "volumes"}
            raise NucleiError(
                f"The model {card.name} works on {kinds[card.ndim]}, and these are {kinds[self.ndim]}.",
                "Begin a new model, or choose one of this kind.",
            )
        check_parent(card, read_config(card), self.config, 1)
        weights = load_weights(self.run.parent)
        put_weights(self.generator, weights, "generator.", card)
        put_weights(self.discriminator, weights, "discriminator.", card)

    def run_all(self) -> None:
        """Sizes, then the loop."""
        run, config = self.run, self.config
        run.plan(**{_SIZES: 0.02, STAGE: 0.98})
        self.aligned = AlignedTraining(self.generator, self.discriminator, loss_settings(config))
        self.average = WeightAverage(self.generator, config.average_decay)
        optimisers = [self._optimiser(net) for net in (self.generator, self.discriminator)]
        self.watcher = Watcher(run, config, self.pictures)
        run.track(
            progress=_Progress(self),
            watcher=self.watcher,
            generator=self.generator,
            discriminator=self.discriminator,
            average=self.average,
            generator_optimiser=optimisers[0],
            discriminator_optimiser=optimisers[1],
            pools=self.aligned,
        )
        with run.stage(_SIZES) as stage:
            if stage.needed:
                stage.save("drawn", **find_sizes(self.pictures, config, run.warn, run.check).to_arrays())
            self.drawn = Drawn.from_arrays(stage.load("drawn"))
        factors = factors_of(self.pictures, config, self.drawn)
        most = MOST_PIXELS[self.ndim] // len(self.pictures)
        self.works = [
            to_work(one.pixels[fitting(one.pixels.shape, by, most)], by, config.gamma, self._smoothing(one))
            for one, by in zip(self.pictures, factors, strict=True)
        ]
        self.crop = crop_shape(config, [one.shape for one in self.works])
        self.masks = mask_settings(config, self.drawn, self.crop, run.warn)
        work_diameter = self.drawn.own[0] * factors[0][-1]
        judge = Judge(self.works, self.masks, config, work_diameter, self.device)
        self.watcher.prepare(self.drawn, judge, self.masks)
        run.offer(self._build)
        with run.stage(STAGE) as stage:
            if stage.needed:
                crops = Crops(self.works, self.crop, config)
                total = config.steps_of(self.ndim) if run.step_budget is None else run.step_budget
                # More time would not make it better: what is painted drifts.
                for step in run.steps(STAGE, total, capped=True):
                    self._one_step(step, crops, optimisers)
                for guard in self.guards:
                    guard.finish()
                self.watcher.finish(self._segmenter(), self.steps)
        self.complete = True

    def _smoothing(self, one: Picture) -> Smoothing | None:
        share = self.config.smooth(self.ndim)
        sigma = sigma_of(share, self.drawn.diameter, one.spacing, self.drawn.stretch)
        return find_smoothing([one.pixels], sigma)

    def _optimiser(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        config = self.config
        return torch.optim.Adam(network.parameters(), config.rate, betas=(0.5, 0.99), weight_decay=config.weight_decay)

    def _one_step(self, step: Step, crops: Crops, optimisers: list[torch.optim.Optimizer]) -> None:
        for optimiser in optimisers:
            set_learning_rate(optimiser, self.config.rate * rate_factor(self.config, step.fraction))
        images, masks = self._draw(step, crops)
        begins = step.fraction < self.config.head_start and self.run.parent is None
        told = self._copy(images, masks, optimisers) if begins else self._update(step, images, masks, optimisers)
        if told:
            self.average.update(self.generator)
            self.steps += 1
            if step.index % 10 == 0:
                self.run.metric(**told)
        if self.watcher.due(step):
            self.watcher.look(self._segmenter(), step, self.steps)

    def _draw(self, step: Step, crops: Crops) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops of images, and masks."""
        batch = self.config.batch_volume if self.ndim == 3 else self.config.batch
        images = as_batch(crops.draw(step.rng, batch), self.device)
        return images, as_batch(draw_masks(self.masks, self.config.form, step.rng, batch), self.device)

    def _copy(
        self, images: torch.Tensor, masks: torch.Tensor, optimisers: list[torch.optim.Optimizer]
    ) -> dict[str, float]:
        """A step of the head start; empty where it was not finite."""
        with self.fabric.autocast():
            loss = self.aligned.copying_loss(images, masks)
        self.generator.zero_grad(set_to_none=True)
        loss.backward()
        if not self.guards[0].takes(self.generator, [loss], 0.0):
            return {}
        optimisers[0].step()
        return {"copying": float(loss.detach())}

    def _update(
        self, step: Step, images: torch.Tensor, masks: torch.Tensor, optimisers: list[torch.optim.Optimizer]
    ) -> dict[str, float]:
        """Move both networks once; the losses by name, none where the step was not finite."""
        training = self.aligned
        pool = torch.Generator().manual_seed(int(step.rng.integers(2**62)))
        with self.fabric.autocast():
            translated = training.translate(images, masks)
            losses = training.generator_losses(translated)
        self.generator.zero_grad(set_to_none=True)
        training.backward(losses)
        if not self.guards[0].takes(self.generator, [losses.reconstruction, losses.rest], 0.0):
            return {}
        optimisers[0].step()
        with self.fabric.autocast():
            judged = training.discriminator_loss(translated, pool)
        self.discriminator.zero_grad(set_to_none=True)
        judged.backward()
        if self.guards[1].takes(self.discriminator, [judged], 0.0):
            optimisers[1].step()
        return {**losses.values(), "discriminator": float(judged.detach())}

    def _segmenter(self, generator: Generator | None = None) -> AdganSegmenter:
        """Of a state; the present one of the average where none is given."""
        return AdganSegmenter(
            generator or self.average.network,
            self.config,
            self.drawn.diameter,
            self.drawn.stretch,
            self.crop,
            self.device,
            self.pictures[0].spacing,
            estimated_px=self.drawn.estimated,
        )

    def _build(self) -> tuple[dict[str, Any], ModelCard] | None:
        """The model of the present state; see `RunContext.offer`."""
        if self.steps == 0:
            return unchanged_model(self.run) if self.run.parent else None
        chosen = self.watcher.chosen(self.average.network)
        checked = self.watcher.settle(self._segmenter(chosen.generator), chosen, self.steps, hurry=not self.complete)
        weights = weights_of(generator=chosen.generator, discriminator=self.discriminator)
        facts = Facts(
            diameter_px=self.drawn.diameter,
            low_px=self.drawn.low,
            high_px=self.drawn.high,
            estimated_px=self.drawn.estimated,
            stretch=self.drawn.stretch,
            count=self.drawn.count,
            crop=self.crop,
            spacing=self.pictures[0].spacing,
        )
        card = begin_card(
            self.run,
            METHOD,
            self.config,
            [one.image for one in self.pictures],
            1,
            ndim=self.ndim,
            nucleus_diameter_px=round(self.drawn.diameter, 2),
            normalisation={"range": "per image", **facts.model_dump(mode="json")},
            trained_on={
                "images": [one.name for one in self.pictures],
                "pixels": int(sum(one.pixels.size for one in self.pictures)),
                "labels": 0,
                "sizes": self.drawn.says(),
                "state_after_steps": chosen.steps or self.steps,
                "digest": short_digest(self.digest),
            },
            steps=self.steps,
            checked=checked,
            notes=self.watcher.notes(self.steps),
        )
        return weights, card


def loss_settings(config: AdganConfig) -> LossSettings:
    """The losses of a configuration."""
    return LossSettings(
        reconstruction=config.reconstruction,
        cycle=config.cycle,
        content=config.content,
        adversarial=config.adversarial,
        gan=config.gan,
        aligned=config.aligned,
        real=config.real,
        halves=config.halves,
        content_goal=config.content_goal,
        pool=config.pool,
    )


def rate_factor(config: AdganConfig, fraction: float) -> float:
    """Factor of the learning rate: constant, then falling to 0 along a line (section 4.2)."""
    if fraction <= config.constant:
        return 1.0
    return float(np.clip((1.0 - fraction) / (1.0 - config.constant), 0.0, 1.0))


class _Progress:
    """What a card says of the work done, so that it is the same after a resume."""

    def __init__(self, training: _Training) -> None:
        self._training = training

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._training.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._training.steps = int(state["steps"])
