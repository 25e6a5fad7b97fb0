"""One module per stack; stacks are cut by how long they live and what they cost."""
