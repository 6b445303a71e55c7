"""The parameters of a run as a form."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings

from poreweb.review.models import Settlement, Verdict
from poreweb.tracks.models import Run
from processing.enhance import METHODS
from processing.errors import ParameterError
from processing.limb_darkening import LIMB_DARKENING, LimbDarkeningLaw
from processing.parameters import OPPOSITE_POLARITY, ChainParameters
from processing.reduce import LEVELS
from processing.segment import SEGMENTATIONS, SPLITS

DEFAULTS = ChainParameters()
LABELS = {
    "limb_darkening": "Limb darkening",
    "quiet_sun": "Quiet-Sun level",
    "enhance": "Sharpening",
    "iterations": "Iterations",
    "segmentation": "Dark patches by",
    "threshold": "Threshold",
    "stara_depth": "STARA depth",
    "split": "Touching umbrae",
    "connectivity": "Neighbours",
    "min_pixels": "Smallest area",
    "umbra_level": "Umbra below",
    "max_gap": "Longest gap",
    "reach_mm": "Reach",
    "link_bias": "Readiness to link",
    "opposite_polarity": "Opposite polarities",
}
UNITS = {
    "iterations": "of Richardson-Lucy",
    "threshold": "of the quiet Sun",
    "stara_depth": "of the quiet Sun, below the surroundings",
    "min_pixels": "pixels of the working grid",
    "umbra_level": "of the quiet Sun",
    "max_gap": "frames",
    "reach_mm": "Mm per 12 min",
    "link_bias": "log-odds",
}
# What a unit does not say, for whoever chooses.
HELP = {
    "max_gap": "a pore that is lost for longer, or whose frames are missing for longer, comes back as another one",
    "reach_mm": "the farthest a pore moves once the motion of the whole frame is taken out, growing with the root of"
    " the time; pores nearer than the sum of their radii may be linked all the same",
    "link_bias": "added to every link, −5 to 5: above 0 links more readily, below 0 less, and 1 multiplies the odds by"
    " 2.7; the probabilities shown are without it",
    "opposite_polarity": "whether a link may join pores whose flux differs in sign; a flux too weak to have one"
    " never stands in the way",
}
GROUPS = {
    "Reduce": ("limb_darkening", "quiet_sun"),
    "Sharpen": ("enhance", "iterations"),
    "Find and measure": (
        "segmentation", "threshold", "stara_depth", "split", "connectivity", "min_pixels", "umbra_level",
    ),
    "Track": ("max_gap", "reach_mm", "link_bias", "opposite_polarity"),
}  # fmt: skip
KEEP = "keep_settled"
# A parameter that only one choice of another one reads.
USED_WHEN = {
    "iterations": ("enhance", "richardson-lucy"),
    "threshold": ("segmentation", "threshold"),
    "stara_depth": ("segmentation", "stara"),
}
WORDS = {
    "density": "smoothed density",
    "histogram": "histogram, 100 bins",
    "network": "network",
    "published": "published network",
    "richardson-lucy": "Richardson-Lucy",
    "cubic-spline": "cubic spline alone",
    "none": "none",
    "stara": "STARA",
    "watershed": "split by watershed",
    "never": "never linked",
    "free": "linked like any others",
}


def law_words(law: LimbDarkeningLaw) -> str:
    """A law as people name it: "Pierce & Slaughter 1977, 6206 Å"."""
    if law.wavelength_a is None:
        return law.source
    return f"{law.source.partition(',')[0]}, {law.wavelength_a:.0f} Å"


def _choices(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, WORDS.get(name, name)) for name in names]


CHOICES: dict[str, list[tuple[Any, str]]] = {
    "limb_darkening": [(name, law_words(law)) for name, law in LIMB_DARKENING.items()],
    "quiet_sun": _choices(LEVELS),
    "enhance": _choices(METHODS),
    "segmentation": _choices(SEGMENTATIONS),
    "split": _choices(SPLITS),
    "connectivity": [(4, "4 (sides)"), (8, "8 (corners too)")],
    "opposite_polarity": _choices(OPPOSITE_POLARITY),
}


def _hundredths() -> forms.FloatField:
    return forms.FloatField(widget=forms.NumberInput(attrs={"step": "0.01"}))


class RunForm(forms.Form):
    """All of `ChainParameters`, each with its unit; of a rerun also whether to keep what people have settled."""

    limb_darkening = forms.ChoiceField(choices=CHOICES["limb_darkening"])
    quiet_sun = forms.ChoiceField(choices=CHOICES["quiet_sun"])
    enhance = forms.ChoiceField()
    iterations = forms.IntegerField()
    segmentation = forms.ChoiceField(choices=CHOICES["segmentation"])
    threshold = _hundredths()
    stara_depth = _hundredths()
    split = forms.ChoiceField(choices=CHOICES["split"])
    connectivity = forms.TypedChoiceField(choices=CHOICES["connectivity"], coerce=int)
    min_pixels = forms.IntegerField()
    umbra_level = _hundredths()
    max_gap = forms.IntegerField()
    reach_mm = forms.FloatField(widget=forms.NumberInput(attrs={"step": "0.1"}))
    link_bias = forms.FloatField(widget=forms.NumberInput(attrs={"step": "0.1"}))
    opposite_polarity = forms.ChoiceField(choices=CHOICES["opposite_polarity"])

    def __init__(self, *args: Any, parent: Run | None = None, **kwargs: Any) -> None:
        """Fill in the defaults, labels and units."""
        kwargs["initial"] = {**DEFAULTS.as_dict(), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        # the published network cannot be had without its authors' weights
        offered = [choice for choice in CHOICES["enhance"] if choice[0] != "published" or settings.PUBLISHED_WEIGHTS]
        self.fields["enhance"].choices = offered  # type: ignore[attr-defined]
        for name, field in self.fields.items():
            field.label = LABELS[name]
            field.help_text = "; ".join(words[name] for words in (UNITS, HELP) if name in words)
            if name in USED_WHEN:  # static/js/run-form.js makes it quiet when it is not
                field.widget.attrs["data-used-when"] = "=".join(USED_WHEN[name])
        if parent is not None:
            n_settled = Settlement.objects.filter(event__run=parent).count()
            if n_settled or Verdict.objects.filter(event__run=parent).exists():
                self.fields[KEEP] = _keep(parent, n_settled)

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields by step of the chain."""
        return [(title, [self[name] for name in names]) for title, names in GROUPS.items()]

    def clean(self) -> dict[str, Any]:
        """Let the science code say what makes no sense."""
        values = super().clean() or {}
        if not self.errors:
            try:
                self.parameters = ChainParameters.from_dict({name: values[name] for name in LABELS})
            except ParameterError as problem:
                name, _, words = str(problem).partition(" ")
                if name in self.fields:
                    self.add_error(name, f"{LABELS[name]} {words}.")
                else:
                    self.add_error(None, f"{problem}.")
        return values


def _keep(parent: Run, n_settled: int) -> forms.BooleanField:
    """Of a parent in which people have judged."""
    settled = f"{n_settled} event{'' if n_settled == 1 else 's'} settled there"
    return forms.BooleanField(
        label=f"Keep what people have settled in run {parent.number}",
        help_text=f"{settled}: the tracker leaves their links as they are, and verdicts are carried over to the events"
        " that match",
        initial=n_settled > 0,
        required=False,
    )


def described(parameters: dict[str, Any], parent: dict[str, Any] | None) -> list[dict[str, Any]]:
    """
    Each parameter with label, value and unit in words, and the default's and the parent's value where they differ.

    ``is_used`` is False where another parameter's choice makes it of no account.
    """
    default = DEFAULTS.as_dict()
    names = dict.fromkeys((*LABELS, *parameters))  # PostgreSQL keeps no order of its own
    told = {name: parameters[name] for name in names if name in parameters}
    return [
        {
            "label": LABELS.get(name, name),
            "value": _value_words(name, value),
            "unit": UNITS.get(name, ""),
            "default": _value_words(name, default[name]) if default.get(name, value) != value else None,
            "parent": _value_words(name, parent[name]) if parent and parent.get(name, value) != value else None,
            "is_used": _is_used(name, parameters),
        }
        for name, value in told.items()
    ]


def _value_words(name: str, value: Any) -> Any:
    return dict(CHOICES.get(name, ())).get(value, value)


def _is_used(name: str, parameters: dict[str, Any]) -> bool:
    if name not in USED_WHEN:
        return True
    other, choice = USED_WHEN[name]
    return bool(parameters.get(other) == choice)
