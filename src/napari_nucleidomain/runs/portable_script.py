"""The script in a job folder that a cluster's scheduler runs."""

from __future__ import annotations

import os
from pathlib import Path

from napari_nucleidomain.contracts.files import write_atomic

SCRIPT_FILE = "job.sh"

# The shell runs the program beside itself and waits: `wait` is broken off by the signal, and is called again for the
# real end. Exit status 75 (saved, run it again) is what clusters requeue by, where they do it themselves.
_SCRIPT = r"""#!/bin/bash
# Train on a cluster. From within this folder: sbatch job.sh
# Change what your cluster wants otherwise (partition, account, graphics card, hours).
#SBATCH --job-name=nuclei
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.txt
# Two minutes before the time is over: save.
#SBATCH --signal=B:TERM@120

# Where nucleidomain is installed:
# source ~/nuclei/bin/activate

folder="${SLURM_SUBMIT_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}"
if [ ! -f "$folder/run.json" ]; then
    echo "$folder is not the job folder: go into it, then sbatch job.sh" >&2
    exit 2
fi
if ! command -v nucleidomain > /dev/null; then
    echo "nucleidomain is not found: activate the environment it is installed in (see the top of job.sh)" >&2
    exit 2
fi

asked=0
trap 'asked=1; kill -TERM "$child" 2> /dev/null' TERM USR1

nucleidomain run --wait "$folder" &
child=$!
wait "$child"
code=$?
while [ "$asked" -eq 1 ]; do
    asked=0
    wait "$child"
    code=$?
done

# 75: saved before the end of the time, or before another job took the node. The same job goes on where it was.
if [ "$code" -eq 75 ] && [ -n "$SLURM_JOB_ID" ] && command -v scontrol > /dev/null; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def write_script(folder: Path) -> Path:
    """Write `job.sh`: a SLURM script that runs the folder it lies in, and that bash runs as it is.

    SIGTERM, which a scheduler sends before it ends a job, leaves a checkpoint and exit status 75.

    Parameters
    ----------
    folder : Path
        The job folder.

    Returns
    -------
    Path

    Raises
    ------
    WriteError
        The disk does not let us.
    """
    # As bytes: bash takes no line ends of Windows.
    path = write_atomic(folder / SCRIPT_FILE, _SCRIPT.encode("ascii"))
    if os.name == "posix":
        path.chmod(0o755)
    return path
