"""What the pictures of insight share."""

from ricorda.insight.drawing import COLOURS, OF_CELLS, colours_of


def test_a_cell_has_its_own_colour_among_whichever_others() -> None:
    for cells in (["rnn", "lstm", "gru"], ["gru", "rnn"], ["mgu", "lstm", "sru"], ["mgu", *OF_CELLS, "sru"]):
        colours = colours_of(cells)
        assert {cell: colours[cells.index(cell)] for cell in cells if cell in OF_CELLS}.items() <= OF_CELLS.items()
        assert len({*colours}) == len(cells), "all differ while there are colours"
    assert len(colours_of([f"cell{number}" for number in range(12)])) == 12
    assert {*colours_of(["mgu"] * 7)} <= {*COLOURS}
