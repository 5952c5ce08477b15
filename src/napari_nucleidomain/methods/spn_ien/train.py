"""Training of SPN+IEN in two stages (Liu et al., section 2.2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from napari_nucleidomain.contracts import ModelCard, NotFinite, NucleiError, RunContext, Step, load_card
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.trained import check_parent, unchanged_model, weights_of
from napari_nucleidomain.training.augment import Geometry, draw_matrices, jitter_intensity, sample_views
from napari_nucleidomain.training.diverging import Guard
from napari_nucleidomain.training.ema import WeightAverage
from napari_nucleidomain.training.normalise import Normalise
from napari_nucleidomain.training.sampler import CropSampler
from napari_nucleidomain.training.schedules import learning_rate_factor, set_learning_rate
from napari_nucleidomain.training.start import start

from .checking import Checker
from .clicked import load_clicked
from .config import SpnIenConfig
from .labels import instance_planes, make_instance_maps, make_semantic, semantic_planes
from .losses import discriminative_loss, partial_cross_entropy
from .model_card import made_card
from .models import Encoding, begin_from_imagenet, trained_side, u_net
from .pseudo_labels import IGNORED, INSTANCE_IGNORED
from .segment import SpnIenSegmenter, networks_from, read_config

# Steps of the second network below which dividing by shape was better on the val images (`quick`, AJI): 0.452 against
# 0.434 after 50 steps, 0.491 against 0.495 after about 140.
_SEASONED = 100
_SHARES = {"labels": 0.05, "SPN": 0.40, "instances": 0.03, "IEN": 0.52}


def train(run: RunContext, dataset: Dataset, config: SpnIenConfig) -> None:
    """Train both networks.

    Parameters
    ----------
    run : RunContext
        Reports, stops, resumes.
    dataset : Dataset
        Training images with clicks (and outlines, for the "fully" row).
    config : SpnIenConfig

    Raises
    ------
    NucleiError
        The data, the device or the model to continue from will not do.
    """
    try:
        _Training(run, dataset, config).run_all()
    except NotFinite as error:
        # Seen in a preview before its loss told it.
        raise NucleiError(
            "The training has diverged: the first network gives numbers that are not finite.",
            "Train anew with a lower learning rate (spn_rate), a tenth of the present one say.",
        ) from error


class _Training:
    """The two stages share their images, device and average networks."""

    def __init__(self, run: RunContext, dataset: Dataset, config: SpnIenConfig) -> None:
        self.run, self.config = run, config
        self.images = load_clicked(dataset, config, run.warn)
        self.channels = self.images[0].pixels.shape[-1]
        self.digest = "-".join([str(dataset.digest()), *(one.digest() for one in self.images)])
        self.fabric = start(run, config.precision, f"{self.digest}:{config.model_dump_json()}:{run.seed}")
        self.device = self.fabric.device
        self.two_stages = config.variant in ("spn-ien", "fully")
        self.normalise = Normalise.of([one.pixels for one in self.images]).to(self.device)
        torch.manual_seed(run.seed)
        self.spn = u_net(config, self.channels, 2)
        self.ien = Encoding(config, self.channels) if self.two_stages else None
        self.diameter = 20.0
        self.trained_ien = False
        self.steps = self.ien_steps = 0
        self.continued = False
        # Whether all was done; else somebody stopped it, or wants what there is now.
        self.complete = False

    def run_all(self) -> None:
        """Labels, SPN, instances, IEN."""
        run = self.run
        continued = self.continued = self._begin()
        shares = _SHARES if self.two_stages else {"labels": 0.05, "SPN": 0.95}
        run.plan(**shares)
        self.spn_average = WeightAverage(self._on_device(self.spn), self.config.average_decay)
        self.checker = Checker(run, self.images)
        # Networks are restored before anything is offered: a run that is resumed and stopped at once keeps its model.
        run.track(progress=_Progress(self), checks=self.checker, spn=self.spn, spn_average=self.spn_average)
        if self.ien is not None:
            self.ien_average = WeightAverage(self._on_device(self.ien), self.config.average_decay)
            run.track(ien=self.ien, ien_average=self.ien_average)
            # A continued model's second network serves until the new one is trained.
            self.trained_ien = self.trained_ien or continued
        with run.stage("labels") as stage:
            if stage.needed:
                make_semantic(run, stage, self.images, self.config)
            maps = [stage.load(str(number)) for number in range(len(self.images))]
            self.diameter = float(stage.load("diameter")["median"][0])
        run.offer(self._build)
        with run.stage("SPN") as stage:
            self._train_spn(maps, stage.needed)
        if self.ien is None:
            self.complete = True
            return
        with run.stage("instances") as stage:
            if stage.needed:
                net = self.spn_average.network
                make_instance_maps(run, stage, self.images, maps, net, self.normalise, self.config, self.device)
            instances = [stage.load(str(number))["instances"] for number in range(len(self.images))]
            measured = float(stage.load("diameter")["median"][0])
            self.diameter = measured or self.diameter
        if not continued and self.ien_average.count == 0:
            if self.config.ien_from_spn:
                self.ien.begin_as(self.spn_average.network)
            if self.config.coordinate_skip:
                self.ien.set_diameter(self.diameter, self.config.push_margin)
            self.ien_average.restart(self.ien)
        with run.stage("IEN") as stage:
            self._train_ien(instances, stage.needed)
        self.complete = True

    def _begin(self) -> bool:
        """Weights to begin from: a model's, ImageNet's, or random ones; whether it was a model's."""
        if self.run.parent is None:
            begin_from_imagenet(self.spn, self.config, self.run)
            if self.ien is not None:
                begin_from_imagenet(self.ien.net, self.config, self.run)
            return False
        card = load_card(self.run.parent)
        old = read_config(card)
        check_parent(card, old, self.config, self.channels)
        self.normalise = self.normalise.continued(card, self.run.warn)
        spn, ien = networks_from(load_weights(self.run.parent), old, card)
        self.spn.load_state_dict(spn.state_dict())
        if self.ien is not None and ien is not None:
            self.ien.load_state_dict(ien.state_dict())
            return True
        return False

    def _on_device(self, net: nn.Module) -> nn.Module:
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    # -- first stage -----------------------------------------------------------------------------------------
    def _train_spn(self, maps: list[dict[str, Any]], needed: bool) -> None:
        config = self.config
        optimiser = torch.optim.Adam(
            self.spn.parameters(), config.spn_rate, betas=(0.9, config.beta2), weight_decay=config.weight_decay
        )
        self.run.track(spn=self.spn, spn_average=self.spn_average, spn_optimiser=optimiser)
        if not needed:
            return
        planes = [semantic_planes(one, semantic, config) for one, semantic in zip(self.images, maps, strict=True)]
        sampler = CropSampler(planes, self._source_side(), [float(IGNORED)] * 2, trained_side(config))

        def loss_of(x: Tensor, sharp: Tensor) -> Tensor:
            logits = self.spn(x)
            labels = sharp.long()
            loss = partial_cross_entropy(logits, labels[:, 0])
            return loss + config.cluster_weight * partial_cross_entropy(logits, labels[:, 1])

        self.spn.train()
        self.guard = Guard(self.run.warn, "spn_rate")
        for step in self.run.steps("SPN", self._total(config.spn_steps)):
            fill = [float(IGNORED)] * 2
            loss = self._one_step(step, sampler, fill, loss_of, self.spn, self.spn_average, optimiser, config.spn_rate)
            self._after(step, loss)
        self.guard.finish()
        if self.two_stages:
            self.checker.score(self._segmenter(self._present_way()), self.steps)

    # -- second stage ----------------------------------------------------------------------------------------
    def _train_ien(self, instances: list[Any], needed: bool) -> None:
        assert self.ien is not None
        config, ien = self.config, self.ien
        optimiser = torch.optim.Adam(ien.parameters(), config.ien_rate, betas=(0.9, config.beta2))
        self.run.track(ien=ien, ien_average=self.ien_average, ien_optimiser=optimiser)
        if needed:
            planes = [instance_planes(one, made, config) for one, made in zip(self.images, instances, strict=True)]
            sampler = CropSampler(planes, self._source_side(), [float(INSTANCE_IGNORED)], trained_side(config))

            def loss_of(x: Tensor, sharp: Tensor) -> Tensor:
                return discriminative_loss(
                    ien(x),
                    sharp[:, 0].long(),
                    pull_margin=config.pull_margin,
                    push_margin=config.push_margin,
                    background_weight=config.background_weight,
                    # Added coordinates are not to be drawn to the tile's middle: that would be learned in vain.
                    regularisation=0.0 if config.coordinate_skip else config.regularisation,
                    squared=config.squared_hinge,
                )

            ien.train()
            self.guard = Guard(self.run.warn, "ien_rate")
            for step in self.run.steps("IEN", self._total(config.ien_steps)):
                fill = [float(INSTANCE_IGNORED)]
                loss = self._one_step(step, sampler, fill, loss_of, ien, self.ien_average, optimiser, config.ien_rate)
                self.ien_steps = step.index + 1
                self.trained_ien = self.trained_ien or step.fraction > 0.3
                self._after(step, loss)
            self.guard.finish()
        self.trained_ien = True

    # -- what both share -------------------------------------------------------------------------------------
    def _source_side(self) -> int:
        """Side of the crop from which a view is taken: larger, so that turned views are filled."""
        turned = 1.42 if self.config.rotation > 0 else 1.0
        return int(trained_side(self.config) * min(turned / self.config.zoom_least, 1.5))

    def _total(self, steps: int) -> int:
        """The stage's steps, scaled to the user's budget where there is one."""
        if self.run.step_budget is None:
            return steps
        whole = self.config.spn_steps + (self.config.ien_steps if self.two_stages else 0)
        return max(1, round(self.run.step_budget * steps / whole))

    def _views(self, step: Step, sampler: CropSampler, fill: list[float]) -> tuple[Tensor, Tensor]:
        """A batch: normalised images (B, C, S, S) and label maps (B, K, S, S)."""
        config = self.config
        geometry = Geometry((config.zoom_least, config.zoom_most), config.flips, config.shear, config.rotation)
        smooth, sharp = sampler.draw(step.rng, config.batch)
        matrices = draw_matrices(step.rng, config.batch, geometry)
        smooth, sharp = smooth.to(self.device), sharp.to(self.device)
        x, y, seen = sample_views(smooth, sharp, matrices, trained_side(self.config))
        x = jitter_intensity(x, step.rng, config.jitter)
        outside = torch.tensor(fill, device=y.device).view(1, -1, 1, 1)
        y = torch.where(seen[:, None], y, outside)
        x = torch.where(seen[:, None], self.normalise(x), torch.zeros_like(x))
        return x.contiguous(memory_format=torch.channels_last), y

    def _one_step(
        self,
        step: Step,
        sampler: CropSampler,
        fill: list[float],
        loss_of: Any,
        net: nn.Module,
        average: WeightAverage[Any],
        optimiser: torch.optim.Optimizer,
        rate: float,
    ) -> Tensor:
        x, sharp = self._views(step, sampler, fill)
        set_learning_rate(optimiser, rate * learning_rate_factor(self.config.schedule, step.fraction))
        with self.fabric.autocast():
            loss: Tensor = loss_of(x, sharp)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.guard.takes(net, [loss], self.config.gradient_limit):
            optimiser.step()
            average.update(net)
            self.steps += 1
        return loss.detach()

    def _after(self, step: Step, loss: Tensor) -> None:
        """Report, preview, check on the kept-back clicks."""
        if step.index % 10 == 0:
            self.run.metric(loss=float(loss))
        if self.checker.preview_due(step) or self.checker.score_due(step):
            self.checker.look(self._segmenter(self._present_way()), step, self.steps)

    def _present_way(self) -> str:
        """How nuclei are told apart while it trains: as the model will do it, as far as that is known."""
        if self.config.decoder in ("watershed", "components"):
            return str(self.config.decoder)
        if not self.two_stages:
            return "components"
        return "ien" if self.trained_ien else "watershed"

    def _choose(self) -> tuple[str, list[str]]:
        """Score the state that is saved in each way that may be chosen; the way that is, and notes."""
        seasoned = self.continued or self.ien_steps >= _SEASONED
        wish, known = self.config.decoder, (self.trained_ien, self.two_stages)
        way, _ = self.checker.choose(wish, *known, seasoned=seasoned)
        ways = ("watershed", "ien") if wish == "auto" and all(known) else (way,)
        self.checker.settle([self._segmenter(one) for one in ways], self.steps, hurry=not self.complete)
        way, notes = self.checker.choose(wish, *known, seasoned=seasoned)
        self.checker.show_last(self._segmenter(way))
        return way, notes

    def _segmenter(self, decoder: str) -> SpnIenSegmenter:
        ien = self.ien_average.network if decoder == "ien" and self.ien is not None else None
        return SpnIenSegmenter(
            self.spn_average.network,
            ien,
            self.config,
            self.normalise.mean.flatten().tolist(),
            self.normalise.std.flatten().tolist(),
            # As the card has it: what is scored divides nuclei as the saved model does.
            round(self.diameter, 2),
            self.device,
            decoder,
        )

    def _build(self) -> tuple[dict[str, Any], ModelCard] | None:
        """The model of the present state; see `RunContext.offer`."""
        if self.steps == 0:
            return unchanged_model(self.run) if self.run.parent else None
        decoder, notes = self._choose()
        ien = self.ien_average.network if self.trained_ien else None
        config = self.config.model_copy(update={"decoder": decoder})
        card = made_card(
            self.run,
            self.images,
            config,
            digest=self.digest,
            diameter=self.diameter,
            steps=self.steps,
            mean=self.normalise.mean.flatten().tolist(),
            std=self.normalise.std.flatten().tolist(),
            scores=self.checker.scores_for_card(decoder, self.steps),
            checked=self.checker.checked_for_card(decoder),
            classical=self.checker.classical_for_card(decoder),
            before=self.checker.before_for_card(decoder),
            notes=notes,
        )
        return weights_of(spn=self.spn_average.network, ien=ien), card


class _Progress:
    """What a card says of the work done, so that it is the same after a resume."""

    def __init__(self, training: _Training) -> None:
        self._training = training

    def state_dict(self) -> dict[str, Any]:
        training = self._training
        return {"steps": training.steps, "ien_steps": training.ien_steps, "trained_ien": training.trained_ien}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._training.steps = int(state["steps"])
        self._training.ien_steps = int(state.get("ien_steps", 0))
        self._training.trained_ien = bool(state["trained_ien"])
