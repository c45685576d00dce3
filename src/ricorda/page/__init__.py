"""The page: train, look and compare in a browser. It shows what insight, cells and tasks compute."""
