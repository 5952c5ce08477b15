"""Keeps the viewer alive where OpenGL is done in software, as over remote desktops and in virtual machines.

Mesa's software renderer (llvmpipe) crashes at the next drawing after a shader program was deleted, and vispy deletes
those of a layer once it is removed: a layer of points or shapes that was drawn on and taken away ended napari. There
programs are kept instead; one takes some kilobytes. Real graphics cards are not affected and left alone.
"""

from __future__ import annotations

from typing import Any

_SOFTWARE = ("llvmpipe", "softpipe", "swrast")


def keep_programs() -> None:
    """Have vispy delete no shader programs on a software renderer; asked for once, then nothing happens."""
    from vispy.gloo import glir

    program: Any = getattr(glir, "GlirProgram", None)
    # Of a later vispy, which may be built otherwise: nothing is changed.
    if program is None or not hasattr(program, "delete") or getattr(program, "_nuclei_keeps", False):
        return
    delete = program.delete

    def keep_or_delete(self: Any) -> None:
        if not is_software():
            delete(self)

    program.delete, program._nuclei_keeps = keep_or_delete, True


def is_software() -> bool:
    """Whether the OpenGL context in use draws in software."""
    from vispy.gloo import gl

    name = str(gl.glGetParameter(gl.GL_RENDERER)).lower()
    return any(one in name for one in _SOFTWARE)
