"""What the tab *Your data* says."""

from ricorda.page.trainings.texts import TEXTS as SHARED

TEXTS = {
    **SHARED,
    "title": ("Your data", "I tuoi dati"),
    "choose": ("1. What is to be learned from", "1. Da che cosa imparare"),
    "learn": ("2. What is to be learned", "2. Che cosa imparare"),
    "train": ("3. The training", "3. L'addestramento"),
    "start": ("Train", "Addestra"),
    "choose_first": (
        "Choose data first: the sample is one click, or upload a file.",
        "Prima scegli i dati: l'esempio è a un clic, oppure carica un file.",
    ),
    "beside_command": (
        "The gradient is watched while it trains; if it vanishes or explodes, a sentence says so here.",
        "Durante l'addestramento si osserva il gradiente; se svanisce o esplode, una frase lo dice qui.",
    ),
    "loss": ("training loss", "perdita in addestramento"),
    "score": ("validation score", "punteggio di validazione"),
    "step": ("training step", "passo di addestramento"),
    "models": ("Your models", "I tuoi modelli"),
    "no_models": ("What you train is here, and in the other tabs.", "Ciò che addestri è qui, e nelle altre schede."),
    "stopped_training": ("stopped, not finished", "fermato, non finito"),
    "zip": ("Download (zip)", "Scarica (zip)"),
    "as_review": ("A review", "Una recensione"),
    "as_gates": ("The gates", "Le porte"),
}
