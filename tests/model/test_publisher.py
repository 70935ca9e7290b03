from __future__ import annotations

import pytest

from pywharf.errors import InvalidName
from pywharf.model.publisher import TrustedPublisher, parse_publisher


@pytest.mark.parametrize(
    ("text", "publisher"),
    [
        ("github:acme/wheels/release.yml", TrustedPublisher("GitHub", "acme/wheels", "release.yml")),
        ("github:Acme-1/a.b_c-d/publish.yaml", TrustedPublisher("GitHub", "Acme-1/a.b_c-d", "publish.yaml")),
        ("gitlab:acme/wheels//.gitlab-ci.yml", TrustedPublisher("GitLab", "acme/wheels", ".gitlab-ci.yml")),
        ("gitlab:acme/a/b/wheels//ci/release.yml", TrustedPublisher("GitLab", "acme/a/b/wheels", "ci/release.yml")),
        ("google:robot@acme.example", TrustedPublisher("Google", "robot@acme.example", "")),
    ],
)
def test_an_identity_is_read(text: str, publisher: TrustedPublisher) -> None:
    assert parse_publisher(text) == publisher
    assert publisher.as_json()["kind"] == publisher.kind
    assert publisher.as_json()["claims"] == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme/wheels",
        "github:acme/wheels",
        "github:acme/wheels/release.yml@production",  # no certificate says the environment
        "github:acme/wheels/.github/workflows/release.yml",
        "github:acme/wheels/release.txt",
        "GitHub:acme/wheels/release.yml",
        "github:acme/wheels/release.yml\n",
        "gitlab:wheels//.gitlab-ci.yml",
        "gitlab:acme/wheels/.gitlab-ci.yml",
        "gitlab:acme/wheels//",
        "google:robot",
        "google:a@b@c",
        "circleci:x/y",
        "github:" + "a" * 1000 + "/wheels/release.yml",
    ],
)
def test_what_is_no_identity_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(InvalidName, match="github:OWNER/REPOSITORY"):
        parse_publisher(text)
