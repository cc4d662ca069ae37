"""Images as a few codes (Mentzer et al. 2023, arXiv:2309.15505), and a prior of the codes."""

from serving.registry import Family

CODES = Family(
    name="codebook",
    title="Image codes",
    gives="image",
    recipe="codebook.codes:CodesRecipe",
    recipes="codebook.recipes",
)
PRIOR = Family(
    name="code-prior",
    title="Priors of image codes",
    gives="image",
    recipe="codebook.prior:PriorRecipe",
    exporter="codebook.exporter:PriorExporter",
    runtime="codebook.runtime:CodePrior",
    recipes="codebook.recipes",
)
