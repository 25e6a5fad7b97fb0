"""Puts the built web app into its bucket with the right cache headers, and tells CloudFront: `make web-deploy`.

Nobody ever sees a page that names a file which is not there: assets come first, pages last, and assets of earlier
builds stay for a while, because tabs that are open still load them.
"""

from __future__ import annotations

import argparse
import mimetypes
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For files whose name holds a hash of their content (RFC 8246)."""
REVALIDATE: Final = "no-cache"
"""Kept, but asked for again before each use (RFC 9111, section 5.2.2.4)."""
HASHED: Final = "assets/"
"""Where Vite puts such files, and nothing else."""
KEPT: Final = timedelta(days=30)
"""How long assets of earlier builds stay after their last upload."""
MOST_PATHS: Final = 10
"""More than this are invalidated as a whole: beyond a thousand a month each costs. Source: CloudFront pricing."""

_TYPES: Final[Mapping[str, str]] = {
    # Python's table follows the machine's; browsers refuse modules and manifests of another type.
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class Published:
    """What became of one deployment."""

    uploaded: tuple[str, ...]
    unchanged: int
    removed: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """Paths that caches must ask for anew; hashed files never change."""
        changed = [key for key in (*self.uploaded, *self.removed) if not key.startswith(HASHED)]
        paths = sorted({f"/{key}" for key in changed} | ({"/"} if "index.html" in changed else set()))
        return paths if len(paths) <= MOST_PATHS else ["/*"]


def headers(key: str) -> dict[str, str]:
    """Return what S3 is to send along with the file at `key`."""
    kind = _TYPES.get(Path(key).suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"
    return {"ContentType": kind, "CacheControl": IMMUTABLE if key.startswith(HASHED) else REVALIDATE}


def in_order(keys: Iterable[str]) -> list[str]:
    """Return the keys as they are uploaded: what pages name before the pages, index.html last."""
    return sorted(keys, key=lambda key: (not key.startswith(HASHED), key.endswith(".html"), key == "index.html", key))


def publish(s3: Any, bucket: str, built: Path, *, kept: timedelta = KEPT, now: datetime | None = None) -> Published:
    """Upload a built web app and remove what nobody can need any more.

    Args:
        s3: boto3's client.
        bucket: where to.
        built: folder that Vite wrote.
        kept: how long assets of earlier builds stay; other files that are no longer there go at once.
        now: the time, for tests.

    Raises:
        ValueError: the folder holds no web app.
        botocore.exceptions.ClientError: S3 refused; run it again, it goes on where it stopped.
    """
    files = {path.relative_to(built).as_posix(): path for path in built.rglob("*") if path.is_file()}
    if "index.html" not in files:
        raise ValueError(f"{built} holds no index.html: build the web app first (npm run build in frontend/)")
    there = {item["Key"]: item for item in _listed(s3, bucket)}
    unchanged = {
        key
        for key, path in files.items()
        if key.startswith(HASHED) and key in there and there[key]["Size"] == path.stat().st_size
    }
    todo = in_order(files.keys() - unchanged)
    for key in todo:
        s3.put_object(Bucket=bucket, Key=key, Body=files[key].read_bytes(), **headers(key))
    oldest = (now or datetime.now(UTC)) - kept
    gone = sorted(
        key
        for key, item in there.items()
        if key not in files and (not key.startswith(HASHED) or item["LastModified"] <= oldest)
    )
    for key in gone:
        s3.delete_object(Bucket=bucket, Key=key)
    return Published(tuple(todo), len(unchanged), tuple(gone))


def invalidate(cloudfront: Any, distribution: str, paths: Sequence[str], reference: str) -> str:
    """Let CloudFront forget `paths` and return the invalidation's id.

    Args:
        cloudfront: boto3's client.
        distribution: its id.
        paths: to forget.
        reference: unlike any before: CloudFront does nothing for one that it knows.

    Raises:
        botocore.exceptions.ClientError: CloudFront refused.
    """
    batch = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": reference}
    made = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)
    return str(made["Invalidation"]["Id"])


def _listed(s3: Any, bucket: str) -> Iterable[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from page.get("Contents", ())


def main(words: Sequence[str] | None = None) -> int:
    """Deploy; return the process' exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m recall_delivery.web",
        description="Put the built web app into its bucket with the right cache headers, and tell CloudFront.",
        epilog="example: python -m recall_delivery.web --built frontend/dist --bucket site --distribution E1ABC",
    )
    parser.add_argument("--built", type=Path, required=True, help="folder that Vite wrote")
    parser.add_argument("--bucket", required=True, help="the web app's bucket (output SiteBucket of the CDK app)")
    parser.add_argument("--distribution", required=True, help="id of its distribution (output DistributionId)")
    options = parser.parse_args(words)
    now = datetime.now(UTC)
    try:
        done = publish(boto3.client("s3"), options.bucket, options.built, now=now)
    except ValueError as error:
        sys.stderr.write(f"--built: {error}\n")
        return 2
    counts = f"{len(done.uploaded)} uploaded, {done.unchanged} unchanged, {len(done.removed)} removed"
    sys.stdout.write(f"s3://{options.bucket}: {counts}\n")
    if done.paths:
        made = invalidate(boto3.client("cloudfront"), options.distribution, done.paths, now.isoformat())
        sys.stdout.write(f"{options.distribution}: invalidation {made} of {' '.join(done.paths)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
