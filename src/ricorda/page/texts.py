"""What all tabs say."""

from collections.abc import Mapping

Texts = Mapping[str, tuple[str, str]]
"""Sentences of the interface by key, in English and in Italian; `{name}` stands for a value."""

TEXTS: Texts = {
    "skip": ("Skip to the content", "Vai al contenuto"),
    "tabs": ("Tabs", "Schede"),
    "other_language": ("Italiano", "English"),
    "dark": ("Dark", "Scuro"),
    "light": ("Light", "Chiaro"),
    "numbers": ("Download the numbers (CSV)", "Scarica i numeri (CSV)"),
    "picture": ("Download the picture ({form})", "Scarica la figura ({form})"),
}
