"""One module per stack; stacks are cut by how long they live and what they cost.

Beside them: `base` and `firewall`, which several share, and `all_stacks`, which holds an environment's together.
"""
