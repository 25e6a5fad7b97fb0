"""The emulators of the integration tests, for the proofs here too."""

from tests.integration.conftest import bedrock, emulator, make_bedrock, make_emulator

__all__ = ["bedrock", "emulator", "make_bedrock", "make_emulator"]
