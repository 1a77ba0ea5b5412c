"""The trial: which strategy helps this dataset, by how much, and when to say that nothing does."""
