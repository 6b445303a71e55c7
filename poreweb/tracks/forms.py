"""The parameters of a run as a form."""

from typing import Any

from django import forms

from processing.enhance import METHODS
from processing.errors import ParameterError
from processing.parameters import ChainParameters

DEFAULTS = ChainParameters()
LABELS = {
    "enhance": "Sharpening",
    "iterations": "Iterations",
    "threshold": "Threshold",
    "connectivity": "Neighbours",
    "min_pixels": "Smallest area",
    "max_gap": "Longest gap",
    "reach_mm": "Reach",
}
UNITS = {
    "iterations": "of Richardson-Lucy",
    "threshold": "of the quiet Sun",
    "min_pixels": "pixels of the working grid",
    "max_gap": "frames",
    "reach_mm": "Mm per 12 min",
}


class RunForm(forms.Form):
    """All of `ChainParameters`, each with its unit."""

    enhance = forms.ChoiceField(choices=[(name, name) for name in METHODS])
    iterations = forms.IntegerField()
    threshold = forms.FloatField(widget=forms.NumberInput(attrs={"step": "0.01"}))
    connectivity = forms.TypedChoiceField(choices=[(4, "4 (sides)"), (8, "8 (corners too)")], coerce=int)
    min_pixels = forms.IntegerField()
    max_gap = forms.IntegerField()
    reach_mm = forms.FloatField(widget=forms.NumberInput(attrs={"step": "0.1"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Fill in the defaults, labels and units."""
        kwargs["initial"] = {**DEFAULTS.as_dict(), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = LABELS[name]
            field.help_text = UNITS.get(name, "")

    def clean(self) -> dict[str, Any]:
        """Let the science code say what makes no sense."""
        values = super().clean() or {}
        if not self.errors:
            try:
                self.parameters = ChainParameters.from_dict(values)
            except ParameterError as problem:
                name = str(problem).split()[0]
                self.add_error(name if name in self.fields else None, f"{problem}.")
        return values


def described(parameters: dict[str, Any], parent: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Each parameter with label and unit, and the default's and the parent's value where they differ."""
    default = DEFAULTS.as_dict()
    return [
        {
            "label": LABELS.get(name, name),
            "value": value,
            "unit": UNITS.get(name, ""),
            "default": default.get(name) if default.get(name) != value else None,
            "parent": parent.get(name) if parent and parent.get(name) != value else None,
        }
        for name, value in parameters.items()
    ]
