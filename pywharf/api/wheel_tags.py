"""The tags in a wheel's name, in words: for which Python and which platform it is.

Pure. A tag that is not known is said as it is written.

Source: "Platform compatibility tags" on packaging.python.org (PEP 425, 600, 656, 730, 738, 783).
"""

from __future__ import annotations

import re

_INTERPRETERS = {"cp": "CPython", "pp": "PyPy", "ip": "IronPython", "jy": "Jython", "graalpy": "GraalPy", "py": "Python"}
_MACHINES = {
    "x86_64": "x86-64",
    "amd64": "x86-64",
    "i686": "x86, 32 bits",
    "i386": "x86, 32 bits",
    "aarch64": "ARM64",
    "arm64": "ARM64",
    "armv7l": "ARM, 32 bits",
    "universal2": "Intel and Apple silicon",
    "intel": "Intel",
}
_NAMED_GLIBC = {"1": "2.5", "2010": "2.12", "2014": "2.17"}

_PYTHON = re.compile(r"([a-z]+)([0-9])([0-9]*)")
_MANYLINUX = re.compile(r"manylinux_([0-9]+)_([0-9]+)_(\w+)")
_OLD_MANYLINUX = re.compile(r"manylinux(1|2010|2014)_(\w+)")
_MUSLLINUX = re.compile(r"musllinux_([0-9]+)_([0-9]+)_(\w+)")
_MACOS = re.compile(r"macosx_([0-9]+)_([0-9]+)_(\w+)")
_LINUX = re.compile(r"linux_(\w+)")
_ANDROID = re.compile(r"android_([0-9]+)_(\w+)")
_IOS = re.compile(r"ios_([0-9]+)_([0-9]+)_(\w+)")
_PYODIDE = re.compile(r"(?:py)?(?:odide|emscripten)_([0-9]+)_[0-9]+_wasm32")


def python_words(filename: str) -> str:
    """For which Python a wheel is: "CPython 3.11", "Python 3", "CPython 3.8 or newer"; "" for a name that is no wheel's."""
    tags = _tags(filename)
    if tags is None:
        return ""
    pythons, abis, _ = tags
    stable = "abi3" in abis
    free = any(abi.startswith("cp") and abi.endswith("t") for abi in abis)
    words = [_python(tag) + (" or newer" if stable else "") + (", free-threaded" if free else "") for tag in pythons]
    return " and ".join(dict.fromkeys(words))


def platform_words(filename: str) -> str:
    """For which platforms a wheel is: "any platform", "Linux x86-64 (glibc 2.17 or newer)"; "" for a name that is no wheel's."""
    tags = _tags(filename)
    return "" if tags is None else ", ".join(dict.fromkeys(_platform(tag) for tag in tags[2]))


def _tags(filename: str) -> tuple[list[str], list[str], list[str]] | None:
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) < 5 or not filename.endswith(".whl"):
        return None
    python, abi, platform = (part.split(".") for part in parts[-3:])
    return python, abi, platform


def _python(tag: str) -> str:
    found = _PYTHON.fullmatch(tag.lower())
    if found is None or found[1] not in _INTERPRETERS:
        return tag
    return f"{_INTERPRETERS[found[1]]} {found[2]}{'.' if found[3] else ''}{found[3]}"


def _platform(tag: str) -> str:
    lower = tag.lower()
    if lower == "any":
        return "any platform"
    if lower == "win32":
        return "Windows, 32 bits"
    if lower.startswith("win_"):
        return f"Windows {_machine(lower[4:])}"
    if found := _MANYLINUX.fullmatch(lower):
        return f"Linux {_machine(found[3])} (glibc {found[1]}.{found[2]} or newer)"
    if found := _OLD_MANYLINUX.fullmatch(lower):
        return f"Linux {_machine(found[2])} (glibc {_NAMED_GLIBC[found[1]]} or newer)"
    if found := _MUSLLINUX.fullmatch(lower):
        return f"Linux {_machine(found[3])} (musl {found[1]}.{found[2]} or newer)"
    if found := _MACOS.fullmatch(lower):
        return f"macOS {found[1]}.{found[2]} or newer ({_machine(found[3])})"
    if found := _ANDROID.fullmatch(lower):
        return f"Android {_machine(found[2])} (API level {found[1]} or newer)"
    if found := _IOS.fullmatch(lower):
        return f"iOS {found[1]}.{found[2]} or newer ({found[3].replace('_', ' ')})"
    if found := _PYODIDE.fullmatch(lower):
        return f"browsers (Pyodide {found[1]})"
    if found := _LINUX.fullmatch(lower):
        return f"Linux {_machine(found[1])}"
    return tag


def _machine(name: str) -> str:
    return _MACHINES.get(name, name)
