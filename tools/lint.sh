#!/usr/bin/env bash
# The rule book as a program: formatting, layering, file sizes, banned constructs.
set -euo pipefail
cd "$(dirname "$0")/.."
clang_format=${CLANG_FORMAT:-clang-format-19}
git ls-files '*.cpp' '*.h' | xargs "$clang_format" --dry-run -Werror
python3 tools/lint_rules.py
