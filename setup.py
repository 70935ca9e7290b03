"""The distribution: pywharf with the backends it ships."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "pywharf" / "__init__.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)
PLUGINS = ["pywharf_file_system", "pywharf_github"]

setup(
    name="pywharf",
    version=VERSION,
    description="A private PyPI server whose packages live in storage that your team already trusts.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="pywharf authors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=[*find_packages(include=["pywharf", "pywharf.*"]), *PLUGINS],
    package_dir={plugin: f"plugins/{plugin}" for plugin in PLUGINS},
    package_data={"": ["py.typed"], "pywharf.web": ["static/*", "templates/*.tpl"]},
    install_requires=[
        "bottle>=0.13.4,<0.14",
        "cheroot>=11.1.2,<12",
        "click>=8.1.7,<9",
        "dulwich>=1.2.21,<1.3",
        "multipart>=1.2.1,<3",
        "nh3>=0.3,<0.4",
        "packaging>=24.2",
        "prometheus_client>=0.21,<1",
        "pydantic>=2.7,<3",
        "readme_renderer[md]>=46,<47",
        "toml>=0.10.2,<0.11",
        "urllib3>=2.2,<3",
    ],
    extras_require={
        "attestations": ["pypi-attestations>=0.0.30,<0.1", "sigstore>=4.5,<5"],
        "test": [
            "hypothesis>=6.112,<7",
            "pytest>=8.3,<10",
            "pytest-cov>=7,<8",
            "pytest-timeout>=2.3,<3",
            "pytest-xdist>=3.6,<4",
            "pyyaml>=6,<7",
            "trustme>=1.2,<2",
        ],
    },
    entry_points={
        "console_scripts": ["pywharf = pywharf.cli.main:main"],
        "pywharf.backends": ["file_system = pywharf_file_system:plugin", "github = pywharf_github:plugin"],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Software Distribution",
        "Typing :: Typed",
    ],
)
