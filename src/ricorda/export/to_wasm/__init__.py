"""Models as WebAssembly."""
