"""What a model is judged by: the held-out pieces, without those that it learns from beside its own kind."""

from types import SimpleNamespace

from rnnmuse.train.corpus import Corpus
from rnnmuse.train.stream.run import held_out


def test_pieces_for_learning_only_are_not_judged():
    names = {"scores/a.mxl": "test", "dataset/b.mxl": "test", "dataset/c.mxl": "train", "scores/d.mxl": "train"}
    corpus = Corpus([SimpleNamespace(name=name, split=split) for name, split in names.items()])  # type: ignore[misc]
    assert [item.name for item in held_out(corpus, "test", SimpleNamespace(beside="scores/"))] == ["dataset/b.mxl"]
    assert len(held_out(corpus, "test", SimpleNamespace(beside=""))) == 2
