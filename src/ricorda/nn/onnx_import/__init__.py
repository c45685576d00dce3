"""Recurrent nodes of ONNX files as layers."""
