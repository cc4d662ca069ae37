"""A folder of 1,000 pictures with faults in it, of which each is known."""

import json
import shutil

import numpy as np
from PIL import Image, PngImagePlugin

PICTURES = 1000
CLASSES = ("cat", "dog")


def pattern(seed, size=(48, 48)):
    """Return a picture in colour with coarse shapes, unlike those of all other seeds."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def good(root, count=PICTURES):
    """Write pictures without a fault; half of each class."""
    for index in range(count):
        path = root / CLASSES[index % 2] / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pattern(index).save(path, compress_level=1)
    return root


def planted(root):
    """Plant faults among good pictures; returns the files of each, by the name of the fault."""
    cat, dog = root / "cat", root / "dog"
    found = {}

    def plant(fault, path, *others):
        found[fault] = {each.relative_to(root).as_posix() for each in (path, *others)}

    (cat / "0000.png").rename(cat / "0000.jpg")
    plant("wrong_suffix", cat / "0000.jpg")
    whole = (cat / "0002.png").read_bytes()
    (cat / "0002.png").write_bytes(whole[: len(whole) // 2])
    plant("damaged", cat / "0002.png")
    pattern(4, (96, 96)).convert("RGB").save(dog / "large.jpg", quality=70)
    (cat / "0004.png").rename(dog / "0004.png")
    plant("near_duplicate", dog / "large.jpg", dog / "0004.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    pattern(2000).save(cat / "turned.jpg", exif=turned)
    plant("turned", cat / "turned.jpg")
    pattern(2001).convert("CMYK").save(cat / "print.jpg")
    plant("cmyk", cat / "print.jpg")
    Image.new("RGB", (48, 48)).save(cat / "black.png")
    plant("blank", cat / "black.png")
    (root / "bird").mkdir()
    pattern(2002).save(root / "bird" / "only.png")
    plant("rare_class", root / "bird" / "only.png")
    (cat / "notes.txt").write_text("Taken in June.")
    plant("stray", cat / "notes.txt")
    shutil.copy(dog / "0001.png", dog / "again.png")
    plant("duplicate", dog / "0001.png", dog / "again.png")
    frames = [pattern(2003).convert("P"), pattern(2004).convert("P")]
    frames[0].save(cat / "moving.gif", save_all=True, append_images=frames[1:])
    plant("animated", cat / "moving.gif")
    deep = np.asarray(pattern(2005).convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(cat / "deep.png")
    plant("deep", cat / "deep.png")
    (dog / "nothing.png").touch()
    plant("empty", dog / "nothing.png")
    pattern(2006).save(dog / "Name.png")
    pattern(2007).save(dog / "name.png")
    plant("same_name", dog / "Name.png", dog / "name.png")
    Image.new("RGB", (1, 1), "red").save(dog / "dot.png")
    plant("tiny", dog / "dot.png")
    glass = pattern(2008).convert("RGBA")
    glass.putalpha(Image.linear_gradient("L").resize(glass.size))
    glass.save(dog / "glass.png")
    plant("transparent", dog / "glass.png")
    (dog / "text.jpg").write_text(json.dumps({"is": "text"}))
    plant("no_picture", dog / "text.jpg")
    shutil.copy(cat / "0006.png", dog / "both.png")
    plant("two_classes", cat / "0006.png", dog / "both.png")
    pattern(2009).save(dog / "scan.tif")
    plant("other_format", dog / "scan.tif")
    pattern(2010, (300, 40)).save(dog / "long.png")
    plant("narrow", dog / "long.png")
    talkative = PngImagePlugin.PngInfo()
    talkative.add_text("Comment", "word " * 20_000)
    pattern(2011).save(dog / "talkative.png", pnginfo=talkative)
    plant("bulky", dog / "talkative.png")
    return found
