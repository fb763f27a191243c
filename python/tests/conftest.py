"""Tests say themselves when vectors are to be kept between runs."""

import os

os.environ["HEADRACE_CACHE"] = "off"
