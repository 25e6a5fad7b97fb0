"""`python -m recall_local.bedrock --host … --port … --log-folder …`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from recall_local.bedrock.proxy import ModelServer
from recall_local.bedrock.server import Options, serve


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="recall_local.bedrock", description="Bedrock Runtime on one machine.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log-folder", type=Path, required=True, help="where bedrock-requests.jsonl goes")
    parser.add_argument("--word-delay", type=float, default=0.02, help="seconds between words of the built-in model")
    parser.add_argument("--authorizer", help="address of the emulated AWS whose IAM decides; without it all may")
    parser.add_argument("--region", default="eu-west-1")
    arguments = vars(parser.parse_args())
    try:
        server = ModelServer.from_environment(os.environ)
    except ValueError as error:
        sys.exit(str(error))
    asyncio.run(serve(Options(**arguments, model_server=server)))


if __name__ == "__main__":
    main()
