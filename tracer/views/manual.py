"""The manual of diagnostics as text: one page each, the list of codes, and the README's table."""

from __future__ import annotations

from tracer.rules.manual import manual
from tracer.rules.rule import Rule

STEPS = {
    "reading": "while the text is read",
    "expanding": "while the network is expanded",
    "arranging": "while the graph is put in order",
    "tracing": "while shapes are traced",
    "planning": "while the autos are solved",
    "judging": "by a rule over the traced network",
    "importing": "when a program is read",
}


def explained(rule: Rule) -> str:
    """A rule's page as ``tracer explain`` shows it."""
    silence = (
        f"\n`# tracer: ignore[{rule.code}]` on its line silences it.\n"
        if rule.severity == "warning"
        else ""
    )
    return f"{rule.code}: {rule.title}\n{rule.severity}, found {STEPS[rule.found]}\n\n{rule.page}\n{silence}"


def listing() -> str:
    """Every code with its severity and title, a line each."""
    return "".join(
        f"{rule.code}  {rule.severity.ljust(7)}  {rule.title}\n" for rule in manual().values()
    )


def diagnostics_table() -> str:
    """The README's table of codes."""
    lines = ["| code | title | severity |", "| --- | --- | --- |"]
    lines += [
        f"| `{rule.code}` | {rule.title} | {rule.severity} |" for rule in manual().values()
    ]
    return "\n".join(lines) + "\n"
