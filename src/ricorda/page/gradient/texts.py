"""What the tab *The vanishing gradient* says."""

TEXTS = {
    "title": ("The vanishing gradient", "Il gradiente che svanisce"),
    "task": (
        "Adding: each sequence has {steps} numbers from 0 to 1, and two of them are marked, one in each half. "
        "At the end the network says their sum.",
        "Addizione: ogni sequenza ha {steps} numeri da 0 a 1, e due sono segnati, uno per metà. Alla fine la rete ne "
        "dice la somma.",
    ),
    "steps": ("Sequence length T", "Lunghezza T"),
    "in_steps": ("{value} steps", "{value} passi"),
    "begin": ("The gates begin", "Le porte iniziano"),
    "drawn": ("as torch draws them", "come le sorteggia torch"),
    "forget_bias": ("with a forget bias (LSTM only)", "con un forget bias (solo LSTM)"),
    "memory": ("with memory (LSTM, GRU)", "con memoria (LSTM, GRU)"),
    "forget_bias_value": ("Forget bias", "Forget bias"),
    "memory_value": ("Memory", "Memoria"),
    "start": ("Train all three", "Allena tutte e tre"),
    "again": ("Train anew", "Allena da capo"),
    "stop": ("Stop", "Ferma"),
    "looking": ("A first look: the cells are compiled …", "Un primo sguardo: le celle vengono compilate …"),
    "untrained": ("Not trained yet: move a slider.", "Non ancora allenate: muovi un cursore."),
    "starting": ("The training begins …", "L'allenamento inizia …"),
    "progress": ("Training step {step} of {of}", "Passo di allenamento {step} di {of}"),
    "stopped": ("Stopped after training step {step}.", "Fermate dopo il passo di allenamento {step}."),
    "ended": ("All have learned from {step} steps.", "Tutte hanno imparato da {step} passi."),
    "busy": (
        "{most} trainings are running already, of other visitors too: wait until one ends, then start yours.",
        "Ci sono già {most} allenamenti in corso, anche di altri visitatori: aspetta che uno finisca, poi riprova.",
    ),
    "flow_heading": (
        "How much of the gradient arrives, by distance from the end",
        "Quanto del gradiente arriva, per distanza dalla fine",
    ),
    "flow_about": (
        "Norm of ∂L/∂s for each state s; L = v · h at the last step, v a random direction of length 1. Below the axis "
        "stand smaller norms (▾), and exact zeros (◆).",
        "Norma di ∂L/∂s per ogni stato s; L = v · h all'ultimo passo, v una direzione a caso di lunghezza 1. Sotto "
        "l'asse stanno le norme più piccole (▾) e gli zeri esatti (◆).",
    ),
    "error_heading": ("Error on new sequences", "Errore su sequenze nuove"),
    "error_about": (
        "Mean squared error by training step, each network on the same sequences.",
        "Errore quadratico medio per passo di allenamento, ogni rete sulle stesse sequenze.",
    ),
    "distance": ("distance from the end, T − t (steps)", "distanza dalla fine, T − t (passi)"),
    "steps_learned": ("training steps", "passi di allenamento"),
    "below": ("less", "meno"),
    "zero": ("0", "0"),
    "lost": ("below this, lost in the noise of a batch", "sotto, si perde nel rumore di un batch"),
    "guess": ("always saying 1: 1/6", "chi dice sempre 1: 1/6"),
    "learned_line": ("learned: 0.01", "imparato: 0.01"),
    "arrives": (
        "arrives {distance} steps back, through {state}",
        "arriva {distance} passi indietro, attraverso {state}",
    ),
    "vanishes": (
        "The gradient vanishes: it halves every {half_life} steps.",
        "Il gradiente svanisce: si dimezza ogni {half_life} passi.",
    ),
    "vanishes_at_once": ("The gradient vanishes.", "Il gradiente svanisce."),
    "sound": ("The gradient arrives from every step.", "Il gradiente arriva da ogni passo."),
    "explodes": ("The gradient explodes.", "Il gradiente esplode."),
    "new": ("Not trained yet", "Non ancora allenata"),
    "guesses": ("Not solved: no better than always saying 1", "Non risolto: non meglio di chi dice sempre 1"),
    "learns": ("Learning: better than a guess", "Sta imparando: meglio di chi tira a indovinare"),
    "learned": ("Solved", "Risolto"),
    "error": ("error {error}, {right} of new sequences right", "errore {error}, giuste {right} delle sequenze nuove"),
}
