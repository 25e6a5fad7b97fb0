"""The web app's deployment, on the emulated S3 and CloudFront."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from recall_delivery import web
from recall_delivery.web import IMMUTABLE, REVALIDATE, Published, in_order, invalidate, publish
from recall_local.aws.web_app import prepare_web_app

if TYPE_CHECKING:
    from pathlib import Path

FIRST = {
    "index.html": "<script src=/assets/main-abcdef12.js>",
    "assets/main-abcdef12.js": "one",
    "assets/style-abcdef12.css": "",
    "assets/inter-abcdef12.woff2": "font",
    "favicon.svg": "<svg/>",
    "manifest.webmanifest": "{}",
    "sw.js": "",
}
SECOND = {**FIRST, "index.html": "<script src=/assets/main-12abcdef.js>", "assets/main-12abcdef.js": "two"}
del SECOND["assets/main-abcdef12.js"], SECOND["favicon.svg"]


@dataclass
class Site:
    s3: Any
    bucket: str

    def files(self) -> set[str]:
        return {item["Key"] for item in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])}

    def headers(self, key: str) -> tuple[str, str]:
        found = self.s3.head_object(Bucket=self.bucket, Key=key)
        return found["CacheControl"], found["ContentType"]


@pytest.fixture
def site(emulator: Any) -> Site:
    found = Site(emulator.client("s3"), f"site-{uuid.uuid4().hex[:8]}")
    location = {"LocationConstraint": found.s3.meta.region_name}
    found.s3.create_bucket(Bucket=found.bucket, CreateBucketConfiguration=location)
    return found


def build(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_hashed_files_are_kept_for_ever_and_all_others_asked_for_again(site: Site, tmp_path: Path) -> None:
    done = publish(site.s3, site.bucket, build(tmp_path, FIRST))
    assert site.files() == set(done.uploaded) == set(FIRST)
    assert site.headers("assets/main-abcdef12.js") == (IMMUTABLE, "text/javascript")
    assert site.headers("assets/style-abcdef12.css") == (IMMUTABLE, "text/css")
    assert site.headers("assets/inter-abcdef12.woff2") == (IMMUTABLE, "font/woff2")
    assert site.headers("index.html") == (REVALIDATE, "text/html; charset=utf-8")
    assert site.headers("sw.js") == (REVALIDATE, "text/javascript")
    assert site.headers("manifest.webmanifest") == (REVALIDATE, "application/manifest+json")
    assert done.paths == ["/", "/favicon.svg", "/index.html", "/manifest.webmanifest", "/sw.js"]


def test_a_second_deployment_uploads_what_is_new_and_keeps_what_open_tabs_load(site: Site, tmp_path: Path) -> None:
    publish(site.s3, site.bucket, build(tmp_path / "first", FIRST))
    done = publish(site.s3, site.bucket, build(tmp_path / "second", SECOND))
    assert "assets/main-12abcdef.js" in done.uploaded
    assert "assets/style-abcdef12.css" not in done.uploaded
    assert done.unchanged == 2
    assert done.removed == ("favicon.svg",)
    assert site.files() == {*SECOND, "assets/main-abcdef12.js"}
    later = datetime.now(UTC) + timedelta(days=31)
    again = publish(site.s3, site.bucket, tmp_path / "second", now=later)
    assert again.removed == ("assets/main-abcdef12.js",)
    assert site.files() == set(SECOND)


def test_pages_come_last() -> None:
    order = in_order(FIRST)
    assert order[-1] == "index.html"
    assert [key for key in order if key.startswith("assets/")] == order[:3]


def test_a_folder_without_a_page_changes_nothing(site: Site, tmp_path: Path) -> None:
    publish(site.s3, site.bucket, build(tmp_path / "first", FIRST))
    with pytest.raises(ValueError, match=r"build the web app first"):
        publish(site.s3, site.bucket, build(tmp_path / "empty", {"assets/x.js": ""}))
    assert site.files() == set(FIRST)


def test_many_changed_pages_are_one_path() -> None:
    assert Published(tuple(f"page-{number}.html" for number in range(11)), 0, ()).paths == ["/*"]
    assert Published(("assets/a.js",), 3, ("assets/b.js",)).paths == []


def test_the_command_deploys_and_tells_cloudfront(
    emulator: Any, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    distribution = prepare_web_app(
        emulator.client, site.bucket, apis="https://*.example.org", sign_in="https://auth.example.org"
    )
    monkeypatch.setattr(boto3, "client", emulator.client)
    words = ["--bucket", site.bucket, "--distribution", distribution.id]
    assert web.main(["--built", str(build(tmp_path / "built", FIRST)), *words]) == 0
    assert "7 uploaded, 0 unchanged, 0 removed" in capsys.readouterr().out
    cloudfront = emulator.client("cloudfront")
    made = cloudfront.list_invalidations(DistributionId=distribution.id)["InvalidationList"]["Items"]
    assert len(made) == 1
    assert web.main(["--built", str(tmp_path / "nothing"), *words]) == 2
    assert "--built" in capsys.readouterr().err
    # What CloudFront knows it does not do again: each deployment needs a reference of its own.
    first, second = (invalidate(cloudfront, distribution.id, ["/"], reference) for reference in ("a", "b"))
    assert first != second
