import os
import tempfile

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: processes side by side share the cores
os.environ.setdefault("RICORDA_CACHE", os.path.join(tempfile.gettempdir(), "ricorda-tests"))  # not the user's

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("ricorda", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("ricorda")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
