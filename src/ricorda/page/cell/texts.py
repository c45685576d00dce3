"""What the tab *The cell* says."""

from ricorda.page.texts import Texts

TEXTS: Texts = {
    "title": ("The cell", "La cella"),
    "family": ("Family", "Famiglia"),
    "all_families": ("all families", "tutte le famiglie"),
    "cell": ("Cell", "Cella"),
    "own": ("Write your own", "Scrivi la tua"),
    "catalogue": ("Back to the catalogue", "Torna al catalogo"),
    "own_label": ("The cell's equations", "Le equazioni della cella"),
    "own_help": (
        "One function: the input, the states, their new values. Esc and then Tab leave the editor.",
        "Una funzione: l'ingresso, gli stati, i loro nuovi valori. Esc e poi Tab per uscire dall'editor.",
    ),
    "stale": ("Below is the cell as it was before this mistake.", "Sotto c'è la cella com'era prima di questo errore."),
    "examples": ("One click", "Con un clic"),
    "days_rnn": ("RNN, four days", "RNN, quattro giorni"),
    "company_a": ("LSTM, company A", "LSTM, azienda A"),
    "company_b": ("LSTM, company B", "LSTM, azienda B"),
    "days_gru": ("GRU, four days", "GRU, quattro giorni"),
    "inputs_size": ("Inputs I", "Ingressi I"),
    "hidden_size": ("Units H", "Unità H"),
    "option": ("Option {name}", "Opzione {name}"),
    "unrolled": ("Unrolled over {count} steps", "Srotolata su {count} passi"),
    "step": ("step", "passo"),
    "before": ("before", "prima"),
    "forward": ("Step forward", "Un passo avanti"),
    "back": ("Step back", "Un passo indietro"),
    "more_steps": ("Add a step", "Aggiungi un passo"),
    "fewer_steps": ("Remove the last step", "Togli l'ultimo passo"),
    "keys": ("Keyboard: ← and → step through the picture.", "Tastiera: ← e → per muoversi tra i passi."),
    "picture_label": (
        "The network unrolled; arrow keys step through it",
        "La rete srotolata; le frecce si muovono tra i passi",
    ),
    "input_label": ("Input {name} of step {step}", "Ingresso {name} del passo {step}"),
    "weight_label": ("Weight {name}", "Peso {name}"),
    "weights": ("Weights", "Pesi"),
    "bias": ("bias", "soglia"),
    "too_many": (
        "With these sizes the cell has {count} weights, too many to move one by one: they are drawn at random.",
        "Con queste dimensioni la cella ha {count} pesi, troppi da muovere uno per uno: sono estratti a caso.",
    ),
    "formed": (
        "The weights of this cell are made from these numbers, which are what a layer learns.",
        "I pesi di questa cella si ottengono da questi numeri, che sono ciò che uno strato impara.",
    ),
    "none": ("This cell has no weights to learn.", "Questa cella non ha pesi da imparare."),
    "rounded": ("to one decimal {number}", "con un decimale {number}"),
    "table": ("Every value of every step", "Ogni valore di ogni passo"),
    "unit_note": (
        "A box has a number for each unit, and of more than {most} numbers the norm; all of them are in the table.",
        "Un riquadro ha un numero per ogni unità, e di più di {most} numeri la norma; nella tabella ci sono tutti.",
    ),
}
