"""`python -m ricorda`, which torchrun needs."""

from ricorda.cli import main

main()
