from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.wheel_tags import platform_words, python_words


@pytest.mark.parametrize(
    ("tags", "python", "platform"),
    [
        ("py3-none-any", "Python 3", "any platform"),
        ("py2.py3-none-any", "Python 2 and Python 3", "any platform"),
        ("cp311-cp311-win_amd64", "CPython 3.11", "Windows x86-64"),
        ("cp39-abi3-win32", "CPython 3.9 or newer", "Windows, 32 bits"),
        ("cp313-cp313t-win_arm64", "CPython 3.13, free-threaded", "Windows ARM64"),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "CPython 3.11", "Linux x86-64 (glibc 2.17 or newer)"),
        ("cp311-cp311-manylinux1_i686", "CPython 3.11", "Linux x86, 32 bits (glibc 2.5 or newer)"),
        ("cp311-cp311-musllinux_1_2_aarch64", "CPython 3.11", "Linux ARM64 (musl 1.2 or newer)"),
        ("cp312-cp312-macosx_11_0_universal2", "CPython 3.12", "macOS 11.0 or newer (Intel and Apple silicon)"),
        ("pp310-pypy310_pp73-linux_x86_64", "PyPy 3.10", "Linux x86-64"),
        ("cp313-cp313-android_21_arm64_v8a", "CPython 3.13", "Android arm64_v8a (API level 21 or newer)"),
        ("cp313-cp313-ios_13_0_arm64_iphoneos", "CPython 3.13", "iOS 13.0 or newer (arm64 iphoneos)"),
        ("cp312-cp312-pyodide_2024_0_wasm32", "CPython 3.12", "browsers (Pyodide 2024)"),
        ("zz9-none-plan9", "zz9", "plan9"),
    ],
)
def test_tags_are_told_in_words(tags: str, python: str, platform: str) -> None:
    filename = f"demo-1.0-{tags}.whl"

    assert (python_words(filename), platform_words(filename)) == (python, platform)


@pytest.mark.parametrize("filename", ["demo-1.0.tar.gz", "", "a-b.whl", "demo-1.0-py3-none-any.zip"])
def test_what_is_no_wheel_is_for_nothing(filename: str) -> None:
    assert (python_words(filename), platform_words(filename)) == ("", "")


@given(st.text(max_size=60))
def test_any_tag_has_words(tag: str) -> None:
    python_words(f"demo-1.0-{tag}.whl")
    platform_words(f"demo-1.0-{tag}.whl")
