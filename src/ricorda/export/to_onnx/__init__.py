"""Models and layers as ONNX: `door.py` has the function; the rest is imported when it is called."""
