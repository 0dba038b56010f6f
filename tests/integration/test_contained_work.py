"""What an ordinary script does works inside, by every mechanism."""

from __future__ import annotations

from pathlib import Path

import pytest

from mle_star.execution.isolation.policy import Mechanism
from mle_star.execution.machine import available_cores

from .contained import MECHANISMS, need, run

WORK = {
    "pandas": """
        import pandas as pd
        frame = pd.DataFrame({"a": range(200_000), "b": 0.5})
        frame.to_csv("working/large.csv", index=False)
        frame.to_parquet("working/large.parquet")
        assert len(pd.read_csv("working/large.csv")) == len(pd.read_parquet("working/large.parquet")) == 200_000
        pd.read_csv("./input/train.csv").to_csv("final/submission.csv", index=False)
    """,
    "scikit-learn in two processes": """
        from sklearn.datasets import make_classification
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import cross_val_score
        X, y = make_classification(3000, random_state=0)
        cross_val_score(RandomForestClassifier(20), X, y, cv=3, n_jobs=2)
        from joblib import Parallel, delayed
        import numpy as np
        big = np.ones((2000, 1000))  # large enough for joblib to put it into shared memory
        assert Parallel(n_jobs=2)(delayed(np.sum)(big) for _ in range(2)) == [2e6, 2e6]
    """,
    "lightgbm": """
        import lightgbm, numpy as np
        X = np.random.default_rng(0).normal(size=(500, 5))
        lightgbm.LGBMRegressor(n_estimators=10, verbose=-1).fit(X, X[:, 0])
    """,
    "multiprocessing": """
        import multiprocessing
        from multiprocessing import shared_memory
        def double(x):
            return 2 * x
        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    assert pool.map(double, range(4)) == [0, 2, 4, 6]
            with multiprocessing.Manager() as manager:
                manager.dict()["a"] = 1
            block = shared_memory.SharedMemory(create=True, size=1 << 20)
            block.close(); block.unlink()
    """,
    "files": """
        import os, pathlib, subprocess, sys, tempfile
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "file").write_text("x")
        pathlib.Path.home().joinpath(".cache").mkdir()
        pathlib.Path("/tmp/mine").write_text("x")
        assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout == b"1\\n"
        assert os.cpu_count() and os.getcwd() and os.listdir("/proc/self/fd")
        open("/dev/null", "w").write("x"); open("/dev/urandom", "rb").read(8)
    """,
}


@pytest.fixture(params=MECHANISMS)
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Give one way of containing a script after another."""
    return need(request.param)


@pytest.mark.parametrize("what", WORK)
async def test_ordinary_work_is_done(tmp_path: Path, mechanism: Mechanism, what: str) -> None:
    if (mechanism, what) == ("landlock", "multiprocessing") and len(str(tmp_path)) > 40:
        pytest.skip("Unix sockets need a short path, and Landlock gives a script no /tmp of its own: docs/isolation.md")
    script = WORK[what].replace('pathlib.Path("/tmp/mine")', 'pathlib.Path("mine")' if mechanism == "landlock" else
                                'pathlib.Path("/tmp/mine")')  # fmt: skip
    result = await run(tmp_path, script, mechanism, needs_score=False, cores=available_cores()[:1])
    assert result.ok, result.output


async def test_a_link_in_the_data_leads_to_data_elsewhere(tmp_path: Path, mechanism: Mechanism) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "large.csv").write_text("a,b,c\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large.csv").symlink_to(tmp_path / "store" / "large.csv")
    result = await run(tmp_path, "print(open('input/large.csv').read())", mechanism, needs_score=False)
    assert result.output.strip() == "a,b,c"


async def test_files_that_only_their_owner_may_read_are_read(tmp_path: Path, mechanism: Mechanism) -> None:
    if mechanism == "bubblewrap" and tmp_path.owner() == "root":
        pytest.skip("bubblewrap shows a root's closed files to nobody: docs/isolation.md")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "train.csv").write_text("a,b,c\n")
    (tmp_path / "data" / "train.csv").chmod(0o600)
    result = await run(tmp_path, "print(open('input/train.csv').read())", mechanism, needs_score=False)
    assert result.output.strip() == "a,b,c"


async def test_what_a_script_writes_is_ours(tmp_path: Path, mechanism: Mechanism) -> None:
    if mechanism == "bubblewrap" and tmp_path.owner() == "root":
        pytest.skip("bubblewrap has the script's own user write: docs/isolation.md")
    await run(tmp_path, "open('working/file', 'w').write('x')", mechanism, needs_score=False)
    assert (tmp_path / "work" / "001-coder" / "working" / "file").owner() == tmp_path.owner()
