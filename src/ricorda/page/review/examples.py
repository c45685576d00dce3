"""Example reviews, two in each language: a name of two or three words, and the text."""

EXAMPLES = (
    ("en", "I loved it", "I lost the first five minutes, yet I loved it to the end."),
    (
        "en",
        "Not even the cast",
        "The trailer was wonderful and the cast is brilliant, but the film is dull, far too long, and not even funny.",
    ),
    (
        "it",
        "Da rivedere",
        "Commovente e divertente, con attori magnifici: sono uscito felice, e domani torno a rivederlo.",
    ),
    ("it", "Una delusione", "Attori bravissimi, ma la trama non si sveglia mai: una delusione."),
)
