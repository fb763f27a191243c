"""Headrace: the native data engine for AI pipelines.

    import headrace as hr

    report = hr.read("docs/").chunk(tokens=256).embed().into("kb")
    kb = hr.open("kb")
    for hit in kb.search("how do I rotate keys"):
        print(hit.score, hit.source, hit.text)

Everything heavy runs in C++ without the GIL; Ctrl-C stops it. Errors are `headrace.Error` and its
subclasses, with `.code` and `.hint`.
"""

from __future__ import annotations

import os as _os
import sys as _sys

from . import _native
from .errors import (
    Busy,
    Damaged,
    Error,
    InvalidArgument,
    NoSpace,
    NotFound,
    OutOfBudget,
    PermissionDenied,
    Unsupported,
)
from .knowledge import Hit, Hits, KnowledgeBase, open, repair
from .models import Model, embed, embed_async, models, rerank
from .pipeline import Pipeline, Report, read, watch
from .tokenizers import Pair, TokenBatch, Tokenizer, Tokens, tokenize

__version__: str = _native.__version__

# What is installed as a package (models, PDFium) is looked for where this interpreter looks.
for _folder in _sys.path:
    if _folder.endswith("-packages") and _os.path.isdir(_folder):
        _native.add_package_path(_folder)
        _pdfium = _os.path.join(_folder, "pypdfium2_raw", "libpdfium.so")
        if _os.path.exists(_pdfium):
            _os.environ.setdefault("HEADRACE_PDFIUM", _pdfium)

# The decoder processes are started from beside this file.
_worker = _os.path.join(_os.path.dirname(__file__), "headrace-worker")
if _os.path.exists(_worker):
    _os.environ.setdefault("HEADRACE_WORKER", _os.path.realpath(_worker))

__all__ = [
    "Busy",
    "Damaged",
    "Error",
    "Hit",
    "Hits",
    "InvalidArgument",
    "KnowledgeBase",
    "Model",
    "NoSpace",
    "NotFound",
    "OutOfBudget",
    "Pair",
    "PermissionDenied",
    "Pipeline",
    "Report",
    "TokenBatch",
    "Tokenizer",
    "Tokens",
    "Unsupported",
    "embed",
    "embed_async",
    "models",
    "open",
    "read",
    "repair",
    "rerank",
    "tokenize",
    "watch",
]
