"""No file that others wrote can run code here: held against the source of the three packages."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [file for name in ("tuneline", "tasks", "flows") for file in (ROOT / name).rglob("*.py")]
RUNS_WHAT_IT_READS = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
FORBIDDEN_CALLS = {
    "eval", "exec", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "os.system", "extractall",
    "joblib.load", "pandas.read_pickle", "shutil.unpack_archive",
}  # fmt: skip


def faults(tree):
    """What in a module loads or runs what it should not, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if RUNS_WHAT_IT_READS & {name.partition(".")[0] for name in names}:
                yield node.lineno, "imports " + ", ".join(filter(None, names))
        elif isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {k.arg: k.value for k in node.keywords}
            if name in FORBIDDEN_CALLS or name.endswith(".extractall"):
                yield node.lineno, name
            if name == "torch.load" and not _is(given.get("weights_only"), True):
                yield node.lineno, "torch.load without weights_only=True"
            if "trust_remote_code" in given and not _is(given["trust_remote_code"], False):
                yield node.lineno, "trust_remote_code"
            if "allow_pickle" in given and not _is(given["allow_pickle"], False):
                yield node.lineno, "allow_pickle"
            if _is(given.get("shell"), True):
                yield node.lineno, "a shell"


def _is(node, value):
    return isinstance(node, ast.Constant) and node.value is value


def test_no_module_loads_pickles_runs_text_or_trusts_the_code_of_models():
    found = {
        f"{file.relative_to(ROOT)}:{line}: {what}"
        for file in FILES
        for line, what in faults(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert found == set()


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from dill import loads",
        "yaml.load(text)",
        "tar.extractall(folder)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=config.trusted)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_each_of_these_would_be_found(text):
    assert len(list(faults(ast.parse(text)))) == 1
