"""An application and its answer: the shape asked for, the model that answers, what is wrong with a body."""
