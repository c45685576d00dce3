"""Write compare.png beside this file from the numbers in compare.json; with --measure, measure them first.

python docs/pictures/compare.py [--measure]

Measuring takes a quarter of an hour on one core; what was trained is kept in build/remembered; a stopped run goes on.
"""

import json
import sys
from pathlib import Path

from ricorda.insight import LengthComparison, compare_lengths
from ricorda.insight.drawing import save_figure

HERE = Path(__file__)
NUMBERS = HERE.with_suffix(".json")


def main() -> None:
    """Measure if asked to, and draw."""
    if "--measure" in sys.argv:
        folder = HERE.parents[2] / "build" / "remembered"
        found = compare_lengths("synthetic:adding", lengths=(25, 50, 100, 200, 400, 800), folder=folder, progress=True)
        NUMBERS.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    found = LengthComparison.from_json(json.loads(NUMBERS.read_text(encoding="utf-8")))
    save_figure(found.plot(), HERE.with_suffix(".png"))


if __name__ == "__main__":
    main()
