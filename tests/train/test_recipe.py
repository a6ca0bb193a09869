import pytest

from rnnmuse.models.bundle import bundles
from rnnmuse.music.codec import PartClass
from rnnmuse.train.chorale.recipe import ChoraleRecipe
from rnnmuse.train.cover.recipe import CoverRecipe
from rnnmuse.train.phrase.recipe import PhraseRecipe
from rnnmuse.train.recipe import read_recipe, recipe_text
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.train.text.recipe import TextRecipe

PARTS = (PartClass("voice", 53, (6,), sung=True), PartClass("drums", drum=True))


def test_a_recipe_survives_its_file(tmp_path):
    recipe = Recipe(
        "x", PARTS, 'a "quoted" \\ text\n\x7f é', data=({"origin": "here"},), exclude=("a'b",), transpose=(-2, 3)
    )
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(recipe))
    assert read_recipe(path, Recipe) == recipe
    assert recipe.drums == 1


@pytest.mark.parametrize("bundle", bundles().values(), ids=lambda bundle: bundle.name)
def test_shipped_recipes_read_and_name_their_licences(bundle):
    path = bundle.folder / "recipe.toml"
    kinds = {
        "chorale": ChoraleRecipe,
        "stream": Recipe,
        "text": TextRecipe,
        "phrase": PhraseRecipe,
        "cover": CoverRecipe,
    }
    recipe = read_recipe(path, kinds[bundle.about["kind"]])
    assert recipe.name == path.parent.name
    assert recipe.about
    assert all({"origin", "licence", "sha256"} <= set(source) for source in recipe.data)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prepare": "magic"}, "prepare: 'magic'"),
        ({"lanes": 0}, "lanes: 0"),
        ({"lanes": "x"}, "lanes: 'x'"),
        ({"epochs": 1.5}, r"epochs: 1\.5"),
        ({"dropout": "x"}, "dropout: 'x'"),
        ({"learning_rate": float("inf")}, "learning_rate: inf"),
        ({"transpose": (5, -5)}, "transpose"),
        ({"dropout": 1.0}, "dropout: 1.0"),
        ({"parts": ()}, "parts"),
        ({"parts": (PARTS[1], PARTS[1])}, "at most one"),
    ],
)
def test_a_wrong_setting_is_named(change, named):
    with pytest.raises(ValueError, match=named):
        Recipe("x", PARTS).changed(**change)


@pytest.mark.parametrize(
    ("text", "named"), [("name = ", "recipe.toml"), ('nmae = "x"', "nmae"), ('name = "x"', "parts")]
)
def test_a_wrong_file_is_named(tmp_path, text, named):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=named):
        read_recipe(path, Recipe)
