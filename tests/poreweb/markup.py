"""What is wrong with a page's markup, as far as a test can tell."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr", "source", "wbr", "col"}
REFERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls")


class Markup(HTMLParser):
    """Collects what is wrong with a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.controls: list[dict[str, str | None]] = []
        self.labels: set[str] = set()
        self.names: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += [f"open: {tag}" for tag in self.open]
        self.wrong += [f"twice: {name}" for name in {name for name in self.ids if self.ids.count(name) > 1}]
        self.wrong += [f"nowhere: {name}" for name in self.refers if name not in self.ids]
        for control in self.controls:
            if control.get("id") not in self.labels and not control.get("aria-label"):
                self.wrong.append(f"no label: {control}")
        self.wrong += [f"no words: {name}" for name in self.names if not name.strip(" |")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) != len(attrs):
            self.wrong.append(f"attribute twice: {attrs}")
        if tag == "form" and "form" in self.open:
            self.wrong.append("form in a form")
        self.wrong += [f"not allowed: {tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.ids += [given["id"] or ""] if "id" in given else []
        for name in REFERS:
            self.refers += (given.get(name) or "").split()
        if tag == "label":
            self.labels.add(given.get("for") or "")
        if tag in ("select", "textarea") or (tag == "input" and given.get("type") not in ("hidden", "submit")):
            self.controls.append(given)
        if tag == "img" and "alt" not in given:
            self.wrong.append("img without alt")
        if tag in ("button", "a"):
            self.names.append(given.get("aria-label") or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or not self.open or self.open.pop() != tag:
            self.wrong.append(f"closed: {tag} in line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        if {"button", "a"} & set(self.open):
            self.names[-1] += data
