"""The search for the best family and parameters: folds, trials, blend, leaderboard, and the choice that is stored."""
