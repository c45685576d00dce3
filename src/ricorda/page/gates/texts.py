"""What the tab *The gates* says."""

from ricorda.page.texts import Texts

TEXTS: Texts = {
    "title": ("The gates", "Le porte"),
    "model": ("Model", "Modello"),
    "no_model": (
        "There is no trained model yet: train one under “Your data”, or start the page with one, as in "
        "`ricorda page model`.",
        "Non c'è ancora un modello addestrato: addestrane uno in «I tuoi dati», o avvia la pagina con uno, come in "
        "`ricorda page model`.",
    ),
    "texts": ("Texts, one a line", "Testi, uno per riga"),
    "example": (
        'I lost the first five minutes, yet I loved it to the end.\nShe said "what a dull film", and slept (twice).',
        "Ho perso i primi cinque minuti, eppure mi è piaciuto fino alla fine.\n"
        'Ha detto "che film noioso", e ha dormito (due volte).',
    ),
    "gate": ("Gate", "Porta"),
    "layer": ("Layer", "Strato"),
    "direction": ("Direction", "Direzione"),
    "forward": ("forward", "in avanti"),
    "backward": ("from the end", "dalla fine"),
    "order": ("Order of the units", "Ordine delle unità"),
    "time": ("the most lasting first", "prima le più durature"),
    "cluster": ("similar ones together", "le simili vicine"),
    "reading": ("Reading …", "Lettura …"),
    "map": ("Gate {gate} of {cell}, by word and unit", "Porta {gate} di {cell}, per parola e unità"),
    "window": ("Steps {first} to {last} of {count}", "Passi da {first} a {last} di {count}"),
    "next": ("Later steps", "Passi successivi"),
    "previous": ("Earlier steps", "Passi precedenti"),
    "unit": ("unit", "unità"),
    "lasts": ("lasts {steps} steps", "dura {steps} passi"),
    "open": ("1 is open", "1 è aperta"),
    "closed": ("0 is closed", "0 è chiusa"),
    "summary": ("The gates in numbers", "Le porte in numeri"),
    "mean": ("mean", "media"),
    "below": ("below 0.1", "sotto 0,1"),
    "above": ("above 0.9", "sopra 0,9"),
    "lasting": ("How long units last", "Quanto durano le unità"),
    "lasting_help": (
        "Units of {state} by the steps after which 1/e of what they hold is left.",
        "Unità di {state} per i passi dopo cui resta 1/e di ciò che contengono.",
    ),
    "nothing_kept": (
        "No state of this cell is kept by a share of its own, so its units have no time constants.",
        "Nessuno stato di questa cella si conserva con una quota propria: le sue unità non hanno costanti di tempo.",
    ),
    "followers": ("Units that follow a property", "Unità che seguono una proprietà"),
    "followers_help": (
        "Correlation of the units of {value} with each property over these texts; choose one to see it on the words.",
        "Correlazione delle unità di {value} con ogni proprietà nei testi; scegline una per vederla sulle parole.",
    ),
    "property": ("property", "proprietà"),
    "best": ("best unit", "unità migliore"),
    "correlation": ("correlation", "correlazione"),
    "position": ("steps so far", "passi finora"),
    "end": ("steps left", "passi rimasti"),
    "quotation": ("inside a quotation", "tra virgolette"),
    "parentheses": ("inside parentheses", "tra parentesi"),
    "word_begin": ("a word begins", "inizio di parola"),
    "upper_case": ("a capital", "una maiuscola"),
    "verdict": ("the verdict so far", "il verdetto finora"),
    "shown_unit": (
        "Unit {unit} of {value} on the first text: orange above 0, blue below.",
        "Unità {unit} di {value} sul primo testo: arancio sopra 0, azzurro sotto.",
    ),
}
