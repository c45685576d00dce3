"""Tagged sentences are read as they stand in their files, and what is wrong is said with its row."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ricorda.data.tagged import read_tagged, read_words_in_parts, split_words
from ricorda.errors import DataError

CONLLU = """# sent_id = 1
# text = Va nella casa.
1\tVa\tandare\tVERB\tV\t_\t0\troot\t_\t_
2-3\tnella\t_\t_\t_\t_\t_\t_\t_\t_
2\tin\tin\tADP\tE\t_\t4\tcase\t_\t_
3\tla\til\tDET\tRD\t_\t4\tdet\t_\t_
4\tcasa\tcasa\tNOUN\tS\t_\t1\tobl\t_\t_
4.1\tlà\t_\tADV\tB\t_\t_\t_\t_\t_
5\t.\t.\tPUNCT\tFS\t_\t1\tpunct\t_\t_

# sent_id = 2
1\t#\t#\tSYM\tFF\t_\t0\troot\t_\t_
"""


def written(folder: Path, content: str, name: str = "data.txt") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_conllu_gives_words_and_the_chosen_column_without_surface_words_and_empty_nodes(tmp_path: Path) -> None:
    path = written(tmp_path, CONLLU, "data.conllu")
    universal, own = read_tagged(path), read_tagged(path, column="xpos")
    assert universal.inputs == own.inputs == [["Va", "in", "la", "casa", "."], ["#"]]
    assert universal.labels == [["VERB", "ADP", "DET", "NOUN", "PUNCT"], ["SYM"]]
    assert own.labels == [["V", "E", "RD", "S", "FS"], ["FF"]]
    assert [universal.place(0), universal.place(1)] == [f"row 3 of {path}", f"row 12 of {path}"]


def test_conllu_is_known_by_its_content_too(tmp_path: Path) -> None:
    assert read_tagged(written(tmp_path, CONLLU)).labels[1] == ["SYM"]


def test_columns_give_the_first_as_the_word_and_the_last_as_the_tag(tmp_path: Path) -> None:
    path = written(tmp_path, "-DOCSTART- -X- O O\n\n\nEU NNP B-NP B-ORG\nrejects VB B-VP O\n\nGerman JJ I-NP B-MISC\n")
    read = read_tagged(path)
    assert (read.inputs, read.labels) == ([["EU", "rejects"], ["German"]], [["B-ORG", "O"], ["B-MISC"]])
    assert [read.place(0), read.place(1)] == [f"row 4 of {path}", f"row 7 of {path}"]


def test_columns_apart_by_tabs_may_hold_words_with_spaces(tmp_path: Path) -> None:
    path = written(tmp_path, "New York\tB-LOC\nis\tO\n", "data.conll")
    assert read_tagged(path).inputs == [["New York", "is"]]


def test_pairs_are_split_at_their_last_slash(tmp_path: Path) -> None:
    path = written(tmp_path, "e/o/CC 1/2/N\n./FS\n\n\n")
    read = read_tagged(path)
    assert (read.inputs, read.labels) == ([["e/o", "1/2"], ["."]], [["CC", "N"], ["FS"]])


def test_gzipped_files_are_read_by_the_extension_before_gz(tmp_path: Path) -> None:
    path = tmp_path / "data.conllu.gz"
    path.write_bytes(gzip.compress(CONLLU.encode()))
    assert read_tagged(path, column="xpos").labels[0] == ["V", "E", "RD", "S", "FS"]


word = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=5)
tag = word.filter(lambda text: "/" not in text)
sentences = st.lists(st.lists(st.tuples(word, tag), min_size=1, max_size=6), min_size=1, max_size=5)


@given(sentences)
def test_what_is_written_as_pairs_is_read_again(tmp_path_factory: pytest.TempPathFactory, data: list) -> None:
    rows = [" ".join(f"{word}/{tag}" for word, tag in sentence) for sentence in data]
    path = written(tmp_path_factory.mktemp("pairs"), "\n".join(rows) + "\n")
    read = read_tagged(path)
    assert [list(zip(*each, strict=True)) for each in zip(read.inputs, read.labels, strict=True)] == data


@pytest.mark.parametrize("name", ["lines.txt", "data.conllu", "data.conll"])
def test_words_are_read_in_parts_from_every_format(tmp_path: Path, name: str) -> None:
    content = {
        "lines.txt": "a/b c\nd\ne f\n",
        "data.conllu": f"{CONLLU}\n{CONLLU}",
        "data.conll": "a x\n\nb y\n\nc z\n",
    }[name]
    parts = list(read_words_in_parts(written(tmp_path, content, name), sentences=2))
    counts = {"lines.txt": [2, 1], "data.conllu": [2, 2], "data.conll": [2, 1]}[name]
    assert [len(part.inputs) for part in parts] == counts
    if name == "lines.txt":
        assert parts[0].inputs == [["a/b", "c"], ["d"]]
        assert parts[1].place(0) == f"row 3 of {tmp_path / name}"


def test_a_word_may_hold_a_blank_that_is_no_space() -> None:
    assert split_words("10\u00a0000 lire\t!") == ["10\u00a0000", "lire", "!"]


def broken(row: int, field: int, value: str) -> str:
    rows = CONLLU.split("\n")
    fields = rows[row - 1].split("\t")
    fields[field] = value
    rows[row - 1] = "\t".join(fields)
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.conllu", "1\tVa\tandare\n", "row 1 of {} has 3 columns where CoNLL-U has 10"),
        ("d.conllu", broken(5, 0, "two"), "row 5 of {} has the id 'two', which is no word's number"),
        ("d.conllu", broken(6, 1, ""), "row 6 of {} has no word"),
        ("d.conllu", broken(7, 3, "_"), "row 7 of {} has no tag in its column UPOS: .*--column xpos"),
        ("d.conll", "a X\nb\n", "row 2 of {} has 1 column where the first has 2"),
        ("d.conll", "a\n", "row 1 of {} has 1 column where a word and its tag make 2"),
        ("d.conll", "a\tX\nb\t\n", "row 2 of {} has no tag"),
        ("d.conll", "a\tX\n\tY\n", "row 2 of {} has no word"),
        ("d.txt", "a/X b/Y\nc/X d\n", "row 2 of {} has 'd' as word 2, without a tag: write word/TAG"),
        ("d.txt", "a/X b/Y\nc/ d/X\n", "row 2 of {} has 'c/' as word 1, without a tag"),
        ("d.txt", "a/X b/Y\n\nc/X\n", "row 2 of {} is an empty sentence"),
        ("d.txt", "alone\n", "row 1 of {} has 'alone' as word 1, without a tag"),
        ("d.txt", "", "{} is empty"),
        ("d.txt", "\n \n", "{} is empty"),
        ("d.conllu", "# text = nothing\n", "{} holds no sentence"),
        ("d.txt", "a/X\n\0\n", "row 2 of {} holds a zero byte"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = written(tmp_path, content, name)
    with pytest.raises(DataError, match=message.format(path)):
        read_tagged(path)


def test_comments_of_columns_are_told_from_words_by_the_form_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        "# id 5f-1 domain=en",  # as many fields as a word has
        "# _ _ O",
        "#love _ _ B-HASH",
        "Rome _ _ B-LOC",
        "",
        "#begin document (bc/00); part 000",
        "# id 5f-2\tdomain=en",
        "is _ _ O",
        "# _ _ O",
        "",
        "#end document",
    ]
    path = written(tmp_path, "\n".join(rows) + "\n", "data.conll")
    read = read_tagged(path)
    assert read.inputs == [["#", "#love", "Rome"], ["is", "#"]]
    assert read.labels == [["O", "B-HASH", "B-LOC"], ["O", "O"]]
    said = f"{path}: 4 rows, the first in row 1 with # before a sentence is taken for a comment"
    assert caplog.messages == [said]
    tabs = written(tmp_path, "# 1\tx\n#\tSYM\n# x\tSYM\na\tDT\n\n# 2\ty\n#\tSYM\n", "tabs.conll")
    assert read_tagged(tabs).inputs == [["#", "# x", "a"], ["#"]]
    alone = written(tmp_path, "#a\tX\n#b\tY\n", "alone.conll")
    assert read_tagged(alone).inputs == [["#a", "#b"]]


@pytest.mark.parametrize("mark", ["-DOCSTART-", "-DOCSTART- O", "-DOCSTART- -X- -X- O", "-DOCSTART-\tO"])
@pytest.mark.parametrize("name", ["data.txt", "data.conll"])
def test_a_mark_between_documents_has_any_width(tmp_path: Path, mark: str, name: str) -> None:
    path = written(tmp_path, f"{mark}\n\na X O\nb Y O\n{mark}\nc Z B-A\n", name)
    assert read_tagged(path).inputs == [["a", "b"], ["c"]]


def test_ids_that_begin_again_begin_a_sentence(tmp_path: Path) -> None:
    rows = [[id, word, "_", "X", "Y", *["_"] * 5] for id, word in zip("112123", "abcdef", strict=True)]
    rows.insert(3, ["1-2", "de", *["_"] * 8])
    path = written(tmp_path, "\n".join(map("\t".join, rows)) + "\n", "data.conllu")
    read = read_tagged(path)
    assert read.inputs == [["a"], ["b", "c"], ["d", "e", "f"]]
    assert [read.place(index) for index in range(3)] == [f"row {row} of {path}" for row in (1, 2, 5)]


@pytest.mark.parametrize("name", ["data.conllup", "data.conllu", "data.txt"])
def test_conllu_plus_has_the_columns_that_it_names(tmp_path: Path, name: str) -> None:
    text = "# global.columns = ID UPOS FORM my:ner\n1\tDET\tla\tO\n2\tNOUN\tRoma\tB-LOC\n\n1\tX\tsì\tO\n"
    path = written(tmp_path, text, name)
    assert read_tagged(path).labels == [["DET", "NOUN"], ["X"]]
    read = read_tagged(path, column="my:ner")
    assert (read.inputs, read.labels) == ([["la", "Roma"], ["sì"]], [["O", "B-LOC"], ["O"]])
    assert next(read_words_in_parts(path)).inputs == read.inputs
    with pytest.raises(DataError, match=r"has no column 'XPOS' among its columns ID, UPOS, FORM, MY:NER: choose one"):
        read_tagged(path, column="xpos")
    path = written(tmp_path, "# global.columns = ID UPOS\n1\tX\n", name)
    with pytest.raises(DataError, match=r"has no column 'FORM' among its columns ID, UPOS: write one"):
        read_tagged(path)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("la/DET casa/NOUN\nè/VERB 1/2/NUM\n", "word/TAG"),
        ("la DET\ncasa NOUN\n\nè VERB\n1/2 NUM\n", "columns of words and tags"),
    ],
)
def test_words_are_read_from_what_a_tagger_learns_from(
    tmp_path: Path, text: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, text)
    parts = list(read_words_in_parts(path, tags=["DET", "NOUN", "VERB", "NUM"], sentences=1))
    assert (
        [part.inputs for part in parts] == [[["la", "casa"]], [["è", "1/2"]]] == [[x] for x in read_tagged(path).inputs]
    )
    assert caplog.messages == [f"{path}: it is read as {form}: its tags are left out"]


@pytest.mark.parametrize("text", ["he/she and/or\n", "It works .\n", "It works .\nHe sleeps .\n", "a DET\nb c d\n"])
def test_sentences_a_row_are_not_taken_for_tagged_ones(tmp_path: Path, text: str) -> None:
    (part,) = read_words_in_parts(written(tmp_path, text), tags=["DET", "."])
    assert part.inputs == [row.split() for row in text.splitlines()]
