"""What the tabs that train share: what is read, the commands' options, and commands that run."""
