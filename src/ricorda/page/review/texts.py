"""What the tab *A review* says."""

TEXTS = {
    "title": ("A review", "Una recensione"),
    "text": ("A film review, in English or Italian", "La recensione di un film, in italiano o in inglese"),
    "model": ("Model", "Modello"),
    "sample_model": ("reviews (the sample model)", "reviews (il modello d'esempio)"),
    "examples": ("Examples", "Esempi"),
    "shuffle": ("Shuffle the words", "Mescola le parole"),
    "restore": ("As it was typed", "Com'era scritta"),
    "empty": ("Type a review, or choose an example.", "Scrivi una recensione, o scegli un esempio."),
    "training": (
        "The sample model learns from 2,895 reviews, once: {share} …",
        "Il modello d'esempio impara da 2.895 recensioni, una volta sola: {share} …",
    ),
    "failed": (
        "The sample model could not be trained: {reason}",
        "Il modello d'esempio non si è potuto allenare: {reason}",
    ),
    "reading": ("…", "…"),
    "typed": ("As typed: {label}, {share}", "Com'era scritta: {label}, {share}"),
    "no_verdict": (
        "This model gives no verdict on a text. The words are coloured by what is left of each at the end.",
        "Questo modello non dà un giudizio su un testo. I colori dicono quanto resta di ogni parola alla fine.",
    ),
    "words": ("What each word gave", "Che cosa ha dato ogni parola"),
    "legend": (
        "Red and + speak for “{label}”, blue and − against it. Point at a word to see what is left of it at each later "
        "step, and, in a model that reads from the end too, at each earlier one. Click a word to drop it.",
        "Rosso e + parlano per «{label}», blu e − contro. Passa su una parola per vedere quanto ne resta a ogni passo "
        "successivo e, se il modello legge anche dalla fine, a ogni passo precedente. Un clic toglie la parola.",
    ),
    "legend_left": (
        "The redder a word, the more of it is left at the end. Point at a word to see what is left of it at each later "
        "step.",
        "Più una parola è rossa, più ne resta alla fine. Passa su una parola per vedere quanto ne resta a ogni passo "
        "successivo.",
    ),
    "point": ("Point at a word.", "Passa su una parola."),
    "dropped": ("dropped: click to take it back", "tolta: un clic la rimette"),
    "half": ("half of it is gone {words} words later", "la metà è svanita {words} parole dopo"),
    "verdict": ("gave to the verdict", "ha dato al giudizio"),
    "wide": ("of that by itself and in pairs", "di cui da sola e in coppia"),
    "written": ("wrote", "ha scritto"),
    "left": ("left at the end", "resta alla fine"),
    "integrated_gradients": ("by integrated gradients", "per integrated gradients"),
    "erasure": ("by erasure", "per cancellazione"),
}
