"""From a cell's equations to its program: the language, the trace, the layout of weights, the printed equations."""
