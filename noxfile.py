"""The tests with other versions than those of uv.lock: the oldest and the newest that pyproject.toml allows.

`make versions` runs all of it, `make versions SESSIONS="lowest jupyter"` some. A Python that is not on this machine is
a failure: nobody may believe that it was tried.
"""

import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
OLDEST = PYTHONS[0]

PYPROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = ",".join(PYPROJECT["project"]["optional-dependencies"])
# Hosts of a whole notebook have lower bounds of their own, of what we also use.
HOSTS = ("jupyterhub", "jupyterhub-idle-culler", "marimo")
TOOLS = [tool for tool in PYPROJECT["dependency-groups"]["dev"] if re.split(r"[^\w-]", tool)[0] not in HOSTS]

# The oldest client of kernels gets no ipykernel of 7.4 or later, and those of 7.0 to 7.3 at times do not see a request
# until somebody else connects (ipython/ipykernel#1554); before 7 they see all of them.
KERNEL = "ipykernel<7"

QUICK = ("-m", "not browser and not slow")
# Old packages warn of what newer ones mended, and the newest of what no version of ours can know yet.
WARNINGS = ("-W", "default")

# What a labextension has to do with JupyterLab: the panel, its commands and settings, a saved chat, one that is alive.
DRAWN = ("tests/browser/test_panel.py", "tests/browser/test_hosts.py", "tests/browser/test_survival.py")
DRAWN_WITH = (
    "nbconvert",
    "playwright",
    "psutil",
    "pytest",
    "pytest-jupyter[server]",
    "pytest-timeout",
    "hypothesis",
    "pandas",
    "matplotlib",
)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The quick tests with the newest of everything, on each Python."""
    session.install("--upgrade", "--editable", f".[{EXTRAS}]", "--group", "dev")
    session.run("pytest", *QUICK, *WARNINGS, *session.posargs)


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """The quick tests with the oldest versions that are allowed of what is installed with us, of every extra too."""
    oldest = Path(session.create_tmp(), "oldest.txt")
    compiled = ("--quiet", "--no-annotate", "--no-header", "--output-file", str(oldest))
    session.run_install(
        *("uv", "pip", "compile", "pyproject.toml", "--all-extras", "--resolution", "lowest-direct", *compiled),
        *("--python-version", OLDEST),
        external=True,
    )
    session.log(oldest.read_text())
    session.install("--editable", f".[{EXTRAS}]", *TOOLS, KERNEL, "--constraint", str(oldest))
    session.run("pytest", *QUICK, *WARNINGS, *session.posargs)


@nox.session(python=OLDEST)
@nox.parametrize("lab", ["oldest", "newest"])
def jupyter(session: nox.Session, lab: str) -> None:
    """In a browser, in JupyterLab and in Notebook: the oldest and the newest of each."""
    pages = {"oldest": ("jupyterlab==4.0.2", "notebook==7.0.0"), "newest": ("jupyterlab<5", "notebook<8")}[lab]
    dist = Path(session.create_tmp(), "dist")
    session.run_install("uv", "build", "--clear", "--wheel", "--out-dir", str(dist), external=True)
    (wheel,) = dist.glob("*.whl")
    session.install("--upgrade", str(wheel), *pages, *DRAWN_WITH)
    session.run("jupyter", "labextension", "list")
    session.run("pytest", *DRAWN, *WARNINGS, *session.posargs)


@nox.session(python=False)
def beside(session: nox.Session) -> None:
    """What can be installed together with other chats of Jupyter, asked of the resolver."""
    session.run("python", "scripts/beside.py", *session.posargs)


@nox.session
def files(session: nox.Session) -> None:
    """Whether the files that are for other programs are what those programs expect."""
    session.install("check-jsonschema", "zizmor")
    session.run("zizmor", "--offline", ".github")
    workflows = sorted(map(str, Path(".github/workflows").glob("*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.citation-file-format", "CITATION.cff")
