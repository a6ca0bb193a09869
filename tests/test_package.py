"""The wheel holds one package, with the models inside."""

import subprocess
import sys
import zipfile
from pathlib import Path


def test_the_wheel_has_one_top_level_name_and_the_models(tmp_path):
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"rnnmuse"}
    for model in ("piano", "lieder", "leadsheet", "grooves", "band", "shakespeare", "verse", "tang"):
        assert f"rnnmuse/_data/models/{model}/step.onnx" in names
    for model in ("covers", "chorales"):
        assert f"rnnmuse/_data/models/{model}/weights.safetensors" in names
    assert "rnnmuse/play/data/harmony.npz" in names
    assert not any("stream-kernel" in name for name in names)  # those of one system are added to wheels of their own
    assert "rnnmuse/cover/fonts/NotoSansCJK-Bold.otf" in names
    assert "rnnmuse/music/data/schumann.mid" in names
    assert {"rnnmuse/web/page/index.html", "rnnmuse/web/page/page.js"} <= set(names)
    assert "rnnmuse/_data/bridges/README.md" in names
    assert {"english.txt.xz", "pingshui.json", "LICENSES"} <= {n.rsplit("/", 1)[1] for n in names if "text/data" in n}
