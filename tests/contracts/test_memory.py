"""What says that memory ran out."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.memory import is_memory_full


class PanicException(BaseException):
    """As pyo3 names what a panic in Rust becomes."""


FULL = [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
    RuntimeError("could not create a primitive"),
    RuntimeError("could not create a primitive descriptor for a convolution forward propagation primitive"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("bad allocation"),
    RuntimeError("can't start new thread"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libx.so: failed to map segment from shared object"),
    PanicException("called `Result::unwrap()` on an `Err` value"),
]


@pytest.mark.parametrize("error", FULL, ids=repr)
def test_full(error):
    assert is_memory_full(error)
    wrapped = RuntimeError("in a thread")
    wrapped.__cause__ = error
    assert is_memory_full(wrapped)


def test_numpy_says_it():
    with pytest.raises(MemoryError) as error:
        np.empty(1 << 60, np.uint8)
    assert is_memory_full(error.value)


@pytest.mark.parametrize(
    "error",
    [
        None,
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("a picture named out of memory.tif"),
        NucleiError("out of memory.tif is damaged."),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_not_full(error):
    assert not is_memory_full(error)
