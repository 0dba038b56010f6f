"""The terminal entry: `mle-star`. Thin; each command imports what it needs when it is called."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from mle_star import __version__
from mle_star.models.errors import ConfigError, MLEStarError, TaskError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from mle_star.models.config import MLEStarConfig
    from mle_star.models.events import Event
    from mle_star.orchestrator import MLEStarOrchestrator

EPILOG = """Exit codes: 0 a valid submission; 2 wrong input or settings; 3 no script ran; 4 no submission, or the run
failed and can be resumed; 130 paused."""

app = typer.Typer(
    name="mle-star",
    rich_markup_mode=None,  # plain help comes at once, Rich's takes most of a second
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


class SettingsCommand(typer.core.TyperCommand):
    """A command whose options are settings: their help is taken from the settings' own fields, when it is asked for."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill in the options' help, then show it."""
        from mle_star.terminal.settings import option_help

        texts = option_help()
        for option in self.params:
            if option.name in texts and isinstance(option, typer.core.TyperOption):
                option.help = texts[option.name]
        super().format_help(ctx, formatter)


Debug = Annotated[bool, typer.Option("--debug", help="Show an error's traceback, and the libraries' logs.")]
RunsDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the runs' folders are [default: runs].")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its folder.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _show_version(value: bool) -> None:
    if value:
        print(f"mle-star {__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def options(
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """MLE-STAR: solve a machine learning task with an agent that searches, writes, runs and refines scripts."""


@app.command(cls=SettingsCommand, epilog=EPILOG, short_help="Solve a task, leave a checked submission.")
def run(
    context: typer.Context,
    task_dir: Annotated[
        Path, typer.Argument(metavar="TASK_DIR", help="Folder with the data and a description.", show_default=False)
    ],
    # Each parameter bears the name of the setting or the fact that it gives; None leaves it to the other sources.
    model_provider: Annotated[str | None, typer.Option("--provider", metavar="NAME")] = None,
    model_id: Annotated[str | None, typer.Option("--model", metavar="NAME")] = None,
    num_retrieved_models: Annotated[int | None, typer.Option("--models", metavar="M")] = None,
    outer_loop_iterations: Annotated[int | None, typer.Option("--outer", metavar="T")] = None,
    inner_loop_iterations: Annotated[int | None, typer.Option("--inner", metavar="K")] = None,
    ensemble_iterations: Annotated[int | None, typer.Option("--ensemble", metavar="R")] = None,
    num_solutions: Annotated[int | None, typer.Option("--solutions", metavar="L")] = None,
    time_limit: Annotated[str | None, typer.Option("--time-limit", metavar="TIME")] = None,
    script_timeout: Annotated[str | None, typer.Option("--script-timeout", metavar="TIME")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N")] = None,
    parallel_scripts: Annotated[int | None, typer.Option("--parallel", metavar="N")] = None,
    leakage_check: Annotated[bool | None, typer.Option("--leakage-check/--no-leakage-check")] = None,
    subsample_size: Annotated[int | None, typer.Option("--subsample", metavar="ROWS")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", metavar="X")] = None,
    ollama_base_url: Annotated[str | None, typer.Option("--ollama-url", metavar="URL")] = None,
    openai_base_url: Annotated[str | None, typer.Option("--openai-url", metavar="URL")] = None,
    prompts_dir: Annotated[Path | None, typer.Option("--prompts", metavar="DIR")] = None,
    runs_dir: Annotated[Path | None, typer.Option("--runs-dir", metavar="DIR")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", metavar="DIR")] = None,
    warm: Annotated[bool | None, typer.Option("--warm/--no-warm")] = None,
    cache: Annotated[bool | None, typer.Option("--cache/--no-cache")] = None,
    require_isolation: Annotated[str | None, typer.Option("--require-isolation", metavar="LEVEL")] = None,
    allow_network: Annotated[bool | None, typer.Option("--allow-network/--no-network")] = None,
    memory_limit: Annotated[float | None, typer.Option("--memory", metavar="GB")] = None,
    search_engine: Annotated[str | None, typer.Option("--search", metavar="ENGINE")] = None,
    model_cards: Annotated[list[Path] | None, typer.Option("--model-card", metavar="FILE")] = None,
    token_budget: Annotated[int | None, typer.Option("--max-tokens", metavar="N")] = None,
    cost_budget: Annotated[float | None, typer.Option("--max-cost", metavar="DOLLARS")] = None,
    prices: Annotated[Path | None, typer.Option("--prices", metavar="FILE")] = None,
    context_tokens: Annotated[int | None, typer.Option("--context", metavar="TOKENS")] = None,
    reply_cache: Annotated[Path | None, typer.Option("--reply-cache", metavar="FILE")] = None,
    review: Annotated[str | None, typer.Option("--review", metavar="WHAT")] = None,
    execution_backend: Annotated[str | None, typer.Option("--backend", metavar="NAME")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="YAML file of settings; options and environment beat it."),
    ] = None,
    evaluation_metric: Annotated[str | None, typer.Option("--metric", metavar="NAME")] = None,
    metric_direction: Annotated[str | None, typer.Option("--direction", metavar="WAY")] = None,
    target: Annotated[list[str] | None, typer.Option("--target", metavar="COLUMN")] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", metavar="COLUMN")] = None,
    task_type: Annotated[str | None, typer.Option("--task-type", metavar="TYPE")] = None,
    data_modality: Annotated[str | None, typer.Option("--modality", metavar="KIND")] = None,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT")] = None,
    debug: Debug = False,
) -> int:
    """Solve a task: search, write, run and refine scripts, and leave a checked submission."""
    from mle_star.terminal.settings import load_config, read_task

    names = _option_names(context)
    settings = load_config(context.params, config, names)
    task = read_task(task_dir, context.params, names)
    return _follow(settings, lambda orchestrator: orchestrator.stream(task))


@app.command()
def resume(run: Run, runs_dir: RunsDir = None, debug: Debug = False) -> int:
    """Go on with a run that was paused, failed or killed."""
    settings = _settings(runs_dir)
    return _follow(settings, lambda orchestrator: orchestrator.stream_resume(run))


@app.command()
def runs(runs_dir: RunsDir = None, as_json: Json = False) -> None:
    """List the runs."""
    from mle_star.terminal.live import make_console
    from mle_star.terminal.report import print_runs

    print_runs(make_console(), _settings(runs_dir).runs_dir, as_json)


@app.command(short_help="Show a run: scores, winner, files.")
def show(
    run: Run,
    runs_dir: RunsDir = None,
    as_json: Json = False,
    script: Annotated[
        str | None, typer.Option("--script", metavar="STEP", help="Print the script of one step, such as p1.t0.k2.")
    ] = None,
) -> None:
    """Show a run: every step's score, the ablation studies, the winner and where the submission is."""
    from mle_star.terminal.live import make_console
    from mle_star.terminal.show import print_script, show_run
    from mle_star.tools.run_folder import RunFolder

    folder = RunFolder.find(run, _settings(runs_dir).runs_dir)
    if script is not None:
        print_script(folder, script)
    else:
        show_run(make_console(), folder, as_json)


@app.command(cls=SettingsCommand, short_help="Check what works on this machine.")
def doctor(
    context: typer.Context,
    runs_dir: RunsDir = None,
    model_provider: Annotated[str | None, typer.Option("--provider", metavar="NAME")] = None,
    model_id: Annotated[str | None, typer.Option("--model", metavar="NAME")] = None,
    ollama_base_url: Annotated[str | None, typer.Option("--ollama-url", metavar="URL")] = None,
    openai_base_url: Annotated[str | None, typer.Option("--openai-url", metavar="URL")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="YAML file of settings.")] = None,
    debug: Debug = False,
) -> int:
    """Check what works on this machine, the model among it, and say what to do about what does not."""
    from mle_star.terminal.doctor import run_doctor
    from mle_star.terminal.live import make_console
    from mle_star.terminal.settings import load_config

    _keep_quiet()
    settings = load_config(context.params, config, _option_names(context))
    return 0 if run_doctor(make_console(), settings) else 2


@app.command(short_help="Serve the HTTP and WebSocket API.")
def serve(
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where to listen [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="Port to listen on [default: 8000].")] = None,
    runs_dir: RunsDir = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on other addresses without a key.")] = False,
    debug: Debug = False,
) -> None:
    """Serve the API, until SIGTERM or Ctrl-C: the runs are then paused, and go on when it is started again."""
    from mle_star.api.serve import serve as start

    start(host=host, port=port, runs_dir=runs_dir, insecure=insecure or None)


@app.command()
def graph(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="mle_star, initial, refinement, ensemble, evaluation or submission.")
    ] = "mle_star",
) -> None:
    """Print a graph as Mermaid."""
    from mle_star.terminal.drawing import mermaid

    print(mermaid(name), end="")


def _option_names(context: typer.Context) -> dict[str, str]:
    return {option.name: option.opts[0] for option in context.command.params if option.name}


def _settings(runs_dir: Path | None) -> MLEStarConfig:
    from mle_star.terminal.settings import load_config

    return load_config({"runs_dir": runs_dir}, None, {"runs_dir": "--runs-dir"})


def _follow(settings: MLEStarConfig, start: Callable[[MLEStarOrchestrator], AsyncIterator[Event]]) -> int:
    """Run or resume on the screen that there is, with a person's reviews between; give the exit code."""
    from mle_star.terminal.live import make_console, make_screen

    _keep_quiet()
    console = make_console()
    stopped: BaseException | None = None
    with make_screen(console) as screen:
        from mle_star.orchestrator import MLEStarOrchestrator
        from mle_star.terminal.follow import EXIT_CODES, PAUSED, drive

        orchestrator = MLEStarOrchestrator(settings)
        try:
            drive(orchestrator, lambda: start(orchestrator), screen)
        except (Exception, KeyboardInterrupt) as error:
            if orchestrator.folder is None or (orchestrator.result is None and isinstance(error, MLEStarError)):
                raise
            stopped = error
    from mle_star.terminal.reviewing import ask_person, can_ask

    while stopped is None and orchestrator.reviews and orchestrator.folder and can_ask(console):
        path = orchestrator.folder.path
        try:
            answers = ask_person(console, orchestrator.reviews)
            with make_screen(console) as screen:
                drive(orchestrator, lambda: orchestrator.stream_resume(path, answers), screen)  # noqa: B023
        except (Exception, KeyboardInterrupt) as error:
            stopped = error
    from mle_star.terminal.report import print_result, run_name
    from mle_star.terminal.words import command

    result, folder = orchestrator.result, orchestrator.folder
    if stopped is None:
        assert result is not None
        assert folder is not None
        print_result(console, result, folder)
        return EXIT_CODES[result.status]
    assert folder is not None
    interrupted = isinstance(stopped, KeyboardInterrupt)
    if not interrupted:
        _complain(stopped)
    print(f"go on with: {command('resume', run_name(folder))}", file=sys.stderr)
    return PAUSED if interrupted else EXIT_CODES["failed"]


def _keep_quiet() -> None:
    """Keep what libraries log and warn of away from the screen, unless it was asked for."""
    import logging
    import warnings

    if _debug():
        logging.basicConfig(level=logging.INFO)
    else:
        logging.getLogger().addHandler(logging.NullHandler())
        warnings.simplefilter("ignore")


def _debug() -> bool:
    return "--debug" in _arguments


def _complain(error: BaseException) -> int:
    """Say in one line what is wrong and what to do; give the exit code."""
    if _debug():
        import traceback

        traceback.print_exception(error)
    code, text = 1, ""
    if isinstance(error, MLEStarError):
        code, text = (2 if isinstance(error, ConfigError | TaskError) else 4), str(error)
    elif hasattr(error, "format_message"):  # typer's own: an unknown option, a missing argument
        context = getattr(error, "ctx", None)
        code, text = 2, error.format_message()
        text += f" Look at `{context.command_path} --help`." if context else ""
    else:
        hint = "" if _debug() else "; run again with --debug to see where it comes from"
        text = f"{type(error).__name__}: {error}{hint}"
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


_arguments: list[str] = []


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code. An error is one line; `--debug` shows where it came from."""
    _arguments[:] = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows question marks and goes on
    try:
        code = _command()(_arguments or ["--help"], prog_name="mle-star", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # such as `mle-star runs | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        return _complain(error)


def _command() -> Any:
    """Make the command, with one option less in its help."""
    command = typer.main.get_command(app)
    for option in command.params:
        if option.name == "show_completion" and isinstance(option, typer.core.TyperOption):
            option.hidden = True
    return command


if __name__ == "__main__":
    sys.exit(main())
