"""Every score in one line, for the docs, the viewer's tooltips and the command line."""

from __future__ import annotations

DEFINITIONS: dict[str, str] = {
    "n_predicted": "Number of predicted nuclei.",
    "n_true": "Number of true nuclei.",
    "aji": "Aggregated Jaccard Index (Kumar 2017): shared over united pixels of all nuclei, each prediction used at "
    "most once, highest IoU first.",
    "aji_plus": "AJI+ (HoVer-Net 2019): as AJI, with the one-to-one matching of highest total IoU.",
    "aji_in_order": "AJI, each prediction used at most once, the true nuclei choosing in order of their ids.",
    "aji_reuse": "AJI as in HoVer-Net's code: every true nucleus takes its best prediction, which may be used again.",
    "aji_weaknucleiseg": "AJI as in the code of SPN+IEN and of Qu et al.: as aji_reuse, and a missed nucleus is "
    "charged with the image's first prediction.",
    "aji_pdam": "AJI as in PDAM's code: a nucleus whose best prediction is already used counts as missed.",
    "pq": "Panoptic quality: dq × sq.",
    "dq": "Detection quality: F1 of nuclei matched with IoU > 0.5.",
    "sq": "Segmentation quality: mean IoU of the nuclei matched with IoU > 0.5.",
    "seg": "SEG of the Cell Tracking Challenge: mean IoU over true nuclei; 0 for one that no prediction covers by more "
    "than half.",
    "det": "DET of the Cell Tracking Challenge: 1 less the cost of correcting by hand (10 for a true nucleus that no "
    "prediction covers by more than half, 5 for each cut through a prediction that so covers several, 1 for a "
    "prediction that so covers none), as a share of drawing all true nuclei (10 each); never below 0.",
    "op_csb": "OP_csb, the overall performance of the Cell Tracking Challenge's cell segmentation benchmark: "
    "(det + seg) / 2.",
    "object_dice": "Object-level Dice (GlaS challenge): Dice of each nucleus with the one it overlaps most, weighted "
    "by area, both ways.",
    "object_hausdorff": "Object-level Hausdorff distance in pixels (GlaS challenge), partners as in object_dice; "
    "smaller is better.",
    "object_hausdorff_um": "Object-level Hausdorff distance in µm (GlaS challenge), where the voxel size is known; "
    "smaller is better.",
    "pixel_precision": "Share of predicted nuclear pixels that are nuclear.",
    "pixel_recall": "Share of true nuclear pixels that were predicted.",
    "pixel_f1": "F1 of nuclear pixels (equal to pixel_dice).",
    "pixel_iou": "Nuclear pixels in both images over those in either.",
    "pixel_dice": "Dice coefficient of nuclear pixels (voxels of a volume).",
    "precision@T": "Share of predicted nuclei matched with IoU > T.",
    "recall@T": "Share of true nuclei matched with IoU > T.",
    "f1@T": "F1 of nuclei matched with IoU > T.",
    "n_clicks": "Number of clicks that were compared.",
    "found": "Clicks that are the only one in their nucleus.",
    "merged": "Clicks that share a predicted nucleus with another click.",
    "missed": "Clicks on background.",
    "extra": "Predicted nuclei without a click, whose centre lies where every nucleus was clicked.",
    "point_precision": "found over predicted nuclei (found, merged and extra ones).",
    "point_recall": "found over clicks.",
    "point_f1": "Harmonic mean of point_precision and point_recall.",
}

LOWER_IS_BETTER = frozenset({"object_hausdorff", "object_hausdorff_um", "merged", "missed", "extra"})


def definition(name: str) -> str:
    """The definition of a score by the name `as_dict` gives it, e.g. ``f1@0.7``.

    Raises
    ------
    KeyError
        There is no such score.
    """
    base, at, threshold = name.partition("@")
    if at and threshold != "T":
        return DEFINITIONS[f"{base}@T"].replace("> T", f"> {threshold}")
    return DEFINITIONS[name]
