"""The process in which llama.cpp quantizes: `python -m tuneline.quantization.gguf_worker`.

Arguments: a GGUF file in 16 bit, the file to write, and the name of the mixture.
"""

import ctypes
import sys

from tuneline.processes import follow_parent


def main(source: str, file: str, ftype: str) -> int:
    """Quantize; returns llama.cpp's code, 0 for success."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{ftype}")
    return int(llama_cpp.llama_model_quantize(source.encode(), file.encode(), ctypes.byref(params)))


if __name__ == "__main__":
    follow_parent()
    sys.exit(main(*sys.argv[1:]))
