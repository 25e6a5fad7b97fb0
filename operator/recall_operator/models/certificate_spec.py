"""What a user may ask for of the certificate that the API answers with."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from recall_operator.models.base import ResourceModel

LONGEST_HOSTNAME: Final = 60
"""Longest host name with a certificate of its own: ACM takes at most 64 characters, and the API's begins with `api.`.

Source: ACM API Reference, RequestCertificate (RFC 5280, the common name).
"""


class CertificateMode(StrEnum):
    """Whose certificate the API's load balancer shows."""

    PLATFORM = "Platform"
    ACM = "ACM"


class Certificate(ResourceModel):
    """The certificate of api.<hostname>."""

    mode: CertificateMode = Field(
        default=CertificateMode.PLATFORM,
        description=(
            "Platform: the platform's certificate serves and nothing is made. ACM: a certificate of the instance's own "
            "for api.<hostname>, validated by DNS and handed to the Ingress once it is issued."
        ),
    )
