"""Which variant runs where."""

from serving.bundle.manifest import Manifest
from serving.errors import UsageError, nearest


def choose_variant(manifest: Manifest, variant: str, device: str) -> str:
    """Return the variant that a user asks for, `auto` resolved for a device.

    Raises:
        UsageError: the bundle has no such variant, or not for that device.
    """
    known = list(manifest.variants)
    if not known:
        raise UsageError(f"{manifest.name} has no ONNX graphs; export it with --formats onnx")
    if variant == "auto":
        variant = _fastest(manifest, device)
    if variant not in known:
        raise UsageError(
            f"{manifest.name} has no variant '{variant}'; it has {', '.join(known)}"
            f"{nearest(variant, known)}"
        )
    suits = manifest.variants[variant].devices
    # What runs on the CPU at all runs there, however slowly; CUDA lacks operators made for CPUs.
    if device == "cuda" and suits and not {"cuda", "web"}.intersection(suits):
        raise UsageError(f"variant '{variant}' is for the CPU; use another, or device='cpu'")
    return variant


def choose_adaptable(manifest: Manifest, variant: str) -> str:
    """Return the variant that a user asks for where adapters are to be given; `auto` is the first.

    Raises:
        UsageError: it takes no adapters, or none does.
    """
    taking = [name for name, each in manifest.variants.items() if each.adapters is not None]
    if not taking:
        raise UsageError(
            f"{manifest.name} has no variant that takes adapters; export it with --variants "
            "fused-lora, or the run of the adapter, which merges it"
        )
    if variant not in ("auto", *taking):
        raise UsageError(
            f"variant '{variant:.80}' of {manifest.name} takes no adapters; {', '.join(taking)} do"
        )
    return taking[0] if variant == "auto" else variant


def _fastest(manifest: Manifest, device: str) -> str:
    """Return the fastest variant that loses nothing, as measured or as expected."""
    variants = manifest.variants
    named = next((names for kind, names in manifest.auto.items() if kind == device), [])
    candidates = [name for name in named if name in variants] or list(variants)
    costs = [variants[name].cost for name in candidates]
    speeds = [cost.speed for cost in costs if cost and cost.speed and cost.speed.device == device]
    if len(speeds) < len(candidates):
        return candidates[0]
    return max(zip(speeds, candidates, strict=True), key=lambda pair: pair[0].value)[1]
