"""What `mle-star` shows and asks in a terminal. Each command imports its own part, so that `--help` stays quick."""
