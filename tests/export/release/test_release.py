"""A release is whole, proved and described, or it is not there."""

import json
import shutil
import subprocess
import sys

import pytest

from export import ExportError, cli, publish
from export.release import publish as publishing
from serving.bundle.records import BundleError
from serving.catalogue.build import build, to_json
from serving.catalogue.costs import in_words
from serving.errors import GenzooError, UsageError
from serving.measure.recording import record
from tests.serving import tiny_bundle
from tests.serving.own_catalogue import use_catalogue


def tree(folder):
    """Every file of a folder and its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_bundles_are_in_it_as_they_are(bundles, release):
    for bundle, name in zip(bundles, ["tiny", "conditional", "toy"], strict=True):
        assert tree(release / "models" / name) == tree(bundle)


def test_the_index_is_the_catalogues(release):
    index = build(release / "models")
    assert list(index.models) == ["conditional", "tiny", "toy"]
    assert (release / "index.json").read_text() == to_json(index)


def test_sha256sum_finds_every_file_and_no_fault(release):
    listed = {line[66:] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == tree(release).keys() - {"SHA256SUMS"}
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
        subprocess.run(command, cwd=release, check=True)


def test_the_same_models_give_the_same_bytes(bundles, release, tmp_path):
    assert tree(publish(list(reversed(bundles)), tmp_path / "again")) == tree(release)


def test_the_gallery_shows_the_costs_that_were_recorded(bundles, release, tmp_path):
    unknown = (release / "index.html").read_text()
    assert not [word for word in ("Speed", "Memory", "Measured") if f">{word}<" in unknown]
    bundle = shutil.copytree(bundles[0], tmp_path / "bundle")
    variants = record(bundle, seconds=0).variants
    out = publish([bundle], tmp_path / "release")
    for page in (out / "index.html", out / "pages" / "tiny.html"):
        html = page.read_text()
        for name, variant in variants.items():
            assert f"<b>{name}</b> {in_words(variant.cost).speed}" in html
            assert f"<b>{name}</b> {in_words(variant.cost).memory}" in html
            assert f"{variant.cost.hardware}, {variant.cost.date}</dd>" in html
    index = json.loads((out / "index.json").read_text())
    assert index["models"]["tiny"]["costs"]["fp16"]["load"] > 0


def test_what_a_bundle_does_not_list_stays_behind(tmp_path):
    bundle = tiny_bundle.write_bundle(tmp_path / "bundle")
    (bundle / "saved_model").mkdir()
    (bundle / "saved_model" / "saved_model.pb").touch()
    (bundle / "notes.txt").write_text("private")
    publish([bundle], tmp_path / "release")
    assert not [path for path in tree(tmp_path / "release") if "saved" in path or "notes" in path]


def test_a_name_of_the_catalogue(tmp_path, monkeypatch):
    models = tmp_path / "models"
    tiny_bundle.write_bundle(models / "tiny")
    use_catalogue(monkeypatch, models)
    publish(["tiny"], tmp_path / "release")
    assert tree(tmp_path / "release" / "models") == tree(models)
    (models / "tiny" / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match=r"bundle\.json has 2 bytes"):
        publish(["tiny"], tmp_path / "release")


@pytest.mark.long
def test_a_work_directory_is_exported_first(workdir, bundles, tmp_path):
    publish([bundles[0], workdir], tmp_path / "release", variants=["fp32", "int8"])
    index = json.loads((tmp_path / "release" / "index.json").read_text())
    assert list(index["models"]) == ["tiny", "vae-digits"]
    assert "fp32" in index["models"]["vae-digits"]["variants"]


def test_an_older_release_is_replaced_and_a_failure_leaves_it(bundles, tmp_path, monkeypatch):
    out = publish(bundles[:1], tmp_path / "release")
    publish(bundles[1:2], out)
    before = tree(out)
    assert not (out / "models" / "tiny").exists()
    monkeypatch.setattr(publishing.gallery, "write", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish(bundles, out)
    assert tree(out) == before and list(tmp_path.iterdir()) == [out]


def spoil(bundle):
    (bundle / "decoder.onnx").write_bytes(b"no graph")


def spoil_sealed(bundle):
    (bundle / "decoder.onnx").write_bytes(b"no graph")
    tiny_bundle.reseal(bundle)


def spoil_results(bundle):
    shutil.copy(bundle / "test_vectors.npz", bundle / "kept.npz")
    other = tiny_bundle.write_bundle(bundle.parent / "other", conditional=True)
    shutil.copy(other / "test_vectors.npz", bundle / "test_vectors.npz")
    tiny_bundle.reseal(bundle)


def leave_no_graph(bundle):
    tiny_bundle.reseal(bundle, variants={})


def leave_no_card(bundle):
    (bundle / "README.md").unlink()
    tiny_bundle.reseal(bundle)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (spoil, r"decoder\.onnx has 8 bytes, expected \d+"),
        (spoil_sealed, "bundle is not published: graphs fp32: decoder.onnx"),
        (spoil_results, "bundle is not published: results fp32: "),
        (leave_no_graph, "has no ONNX graphs; export it with --formats onnx"),
        (leave_no_card, r"has no README\.md; export it again"),
    ],
)
def test_a_bundle_that_fails_its_proof_is_refused(change, complaint, bundles, tmp_path):
    bundle = tiny_bundle.write_bundle(tmp_path / "bundle", name="broken")
    change(bundle)
    with pytest.raises(GenzooError, match=complaint):
        publish([bundles[0], bundle], tmp_path / "release")
    assert not [path for path in tmp_path.iterdir() if "release" in path.name]


def genzoo(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["genzoo", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["nowhere"], 2, "no model and no directory is called 'nowhere'"),
        (["EMPTY"], 1, "is not a bundle: it has no bundle.json"),
        (["ONE", "ONE"], 2, "are both the model 'tiny'; publish one of them"),
        (["ONE", "--to", "FILE"], 1, "is there and is not a release; give another directory"),
        (["ONE", "--to", "ONE"], 1, "is there and is not a release; give another directory"),
        (["ONE", "--key", "nowhere"], 2, "nowhere is not a file; expected an elliptic-curve"),
        (["RUN", "--variants", "int9"], 2, "did you mean 'int8'"),
        (["ONE", "--variants", "int8"], 2, "variants are for work directories, and none is given"),
    ],
)
def test_a_mistake_is_one_line(
    arguments, code, complaint, bundles, workdir, capsys, monkeypatch, tmp_path
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("precious")
    places = {"ONE": bundles[0], "RUN": workdir}
    places |= {"EMPTY": tmp_path / "empty", "FILE": tmp_path / "file"}
    arguments = [str(places.get(word, word)) for word in arguments]
    if "--to" not in arguments:
        arguments += ["--to", str(tmp_path / "release")]
    found, _, errors = genzoo(capsys, monkeypatch, "publish", *arguments)
    assert found == code
    assert complaint in errors and errors.startswith("genzoo: ") and errors.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


def test_the_command(bundles, tmp_path, capsys, monkeypatch):
    out = tmp_path / "release"
    code, text, errors = genzoo(capsys, monkeypatch, "publish", *bundles, "--to", out)
    assert code == 0 and f"{out} is whole; its gallery: {out / 'index.html'}" in text
    assert len(errors.splitlines()) == 3
    _, text, _ = genzoo(capsys, monkeypatch, "publish", "--help")
    assert "Example: genzoo publish" in text


def test_nothing_to_publish(tmp_path):
    with pytest.raises(UsageError, match="nothing to publish"):
        publish([], tmp_path / "release")
    with pytest.raises(ExportError, match="not a release"):
        publish([tmp_path], tmp_path.parent)


def test_publishing_bundles_needs_no_tensorflow(bundles, tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        f"import export; export.publish([{str(bundles[0])!r}], {str(tmp_path / 'release')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "release" / "index.html").is_file()


def test_the_index_is_signed(bundles, tmp_path):
    pytest.importorskip("model_signing")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from serving.hub.signature import check_signature

    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    release = publish(bundles[:1], tmp_path / "release", private)
    index, signature = release / "index.json", release / "index.json.sig"
    check_signature(index, signature, public)
    assert "  index.json.sig\n" in (release / "SHA256SUMS").read_text()
    assert "index.json.sig" in (release / "index.html").read_text()
    index.write_text(index.read_text() + "\n")
    with pytest.raises(GenzooError, match=r"is not what the owner of .*public\.pem signed"):
        check_signature(index, signature, public)
    private.write_text("no key")
    with pytest.raises(UsageError, match=r"private\.pem is not a private key that can be used"):
        publish(bundles[1:], release, private)
    assert (release / "models" / "tiny").is_dir()
