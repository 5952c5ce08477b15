"""What every training loop needs: device, augmentation, sampling, averages, schedules, checkpoint state."""

from __future__ import annotations
