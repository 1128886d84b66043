"""The command line: what ``main.py`` runs."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import select
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from creditrisk.commands.context import Context
from creditrisk.errors import CreditRiskError, nearest, os_sentence
from creditrisk.paths import Project


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one sentence with the nearest known word, exit code 1 as everywhere here."""

    def error(self, message: str) -> NoReturn:
        if "invalid choice: " in message:
            wrong, _, known = message.partition("invalid choice: ")[2].partition(" (choose from ")
            choices = [word.strip(" ')") for word in known.split(",")]
            message = f"unknown {wrong}.{nearest(wrong.strip(chr(39)), choices)} Known: {', '.join(choices)}."
        print(f"error: {message.rstrip('.')}. Type {self.prog} --help for what there is.", file=sys.stderr)
        raise SystemExit(1)


FIRST_STEPS = """\
first steps:
  run, score                             the simulated loans, from table to answers
  new-portfolio, run --portfolio NAME    a table of your own
  experiment, store-best, run            better parameters
  COMMAND --help                         what a command takes
"""


def build_parser() -> Parser:
    """Every command and its options; heavy modules are imported only by the command that is called."""
    parser = Parser(
        prog="main.py",
        description="A table of loans in, a tested and registered model out. Without a command: run.",
        epilog=FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_common()],
    )
    parser.set_defaults(command="run:command_run")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, target: str, text: str) -> Parser:
        sub = commands.add_parser(name, help=text, description=text, parents=[_common(argparse.SUPPRESS, name)])
        sub.set_defaults(command=target, word=name)
        return sub

    add("run", "run:command_run", "the whole lifecycle; the same as no command at all")
    add("use", "portfolio:command_use", "make a portfolio the current one").add_argument(
        "name", help="a contract in 1.data/portfolios"
    )
    _add_new_portfolio(add("new-portfolio", "portfolio:command_new", "write a first contract for any table"))
    contract = add("contract", "portfolio:command_contract", "check a contract, or pin its local table's digest")
    text = "check: the contract, and the columns of its table; pin: write the table's SHA-256 into it"
    contract.add_argument("action", choices=("check", "pin"), help=text)
    score = add("score", "score:command_score", "score a table with the champion")
    score.add_argument(
        "table", help="CSV (also .gz) or Parquet with the contract's raw columns, with or without the outcome"
    )
    score.add_argument("--out", required=True, help="where the answers go: .csv or .parquet")
    score.add_argument("--bundle", metavar="FOLDER", help="a bundle's folder in place of the champion")
    _add_experiment(add("experiment", "experiment:command_experiment", "search every family, tracked in MLflow"))
    store = add("store-best", "experiment:command_store_best", "keep what an experiment found best in params.yaml")
    store.add_argument(
        "--best", action="store_true", help="the best family, not the simplest within one standard error"
    )
    _add_study(store)
    _add_serve(add("serve", "serve:command_serve", "run the scoring service"))
    _add_records(add)
    _add_keys(add("keys", "keys:command_keys", "make, list and revoke API keys of the scoring service"))
    version = Parser(add_help=False)
    version.add_argument("--version", metavar="N", help="a registered version; the newest where absent")
    for name, text in {
        "test-model": "the two readiness tests, loading and performance",
        "promote": "make a version champion if it passes the tests",
    }.items():
        sub = commands.add_parser(name, help=text, description=text, parents=[_common(argparse.SUPPRESS), version])
        sub.set_defaults(command=f"registry:command_{name.replace('-', '_')}")
        if name == "promote":
            text = "put the champion alias where the ledger says, after an alarm"
            sub.add_argument("--restore", action="store_true", help=text)
    rollback = add("rollback", "registry:command_rollback", "make the former champion champion again")
    rollback.add_argument("--reason", default="", help="why, for the ledger")
    rollback.add_argument(
        "--force", action="store_true", help="even where it fails today's thresholds; the ledger says so"
    )
    history = add("history", "registry:command_history", "the ledger of promotions")
    text = "check every hash, and that the registry agrees: of all portfolios where none is named"
    history.add_argument("--verify", action="store_true", help=text)
    add("status", "registry:command_status", "portfolio, champion, data and what is stale")
    page = add("mlflow", "registry:command_mlflow", "open MLflow's page on the tracked runs")
    page.add_argument("--port", type=_port, default=5000, help="5000 where absent")
    page.add_argument("--no-browser", action="store_true", help="serve the page without opening it")
    return parser


WITHOUT_PORTFOLIO = {
    "use": "the portfolio's name stands alone: main.py use NAME",
    "new-portfolio": "it chooses among the portfolios that there are; the new one gets its name by --name",
    "keys": "API keys are those of all portfolios",
    "records": "the service's records are those of all portfolios",
    "mlflow": "MLflow's page shows all portfolios",
}
"""Commands that take no ``--portfolio``, and why: it would change nothing of what they do."""


def _common(default: object = None, command: str = "") -> Parser:
    """Options that every command takes. A sub-command's are suppressed where absent: they may stand before it too."""
    common = Parser(add_help=False)
    text = "a contract in 1.data/portfolios; the current one where absent"
    text = argparse.SUPPRESS if command in WITHOUT_PORTFOLIO else text
    common.add_argument("--portfolio", metavar="NAME", default=default, help=text)
    json_default = default if default == argparse.SUPPRESS else False
    common.add_argument("--json", action="store_true", default=json_default, help="print the result for a machine")
    return common


def _add_new_portfolio(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help="CSV or Parquet")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column that says how the loan ended")
    parser.add_argument("--bad", metavar="VALUE", help="the target's value for a bad outcome")
    parser.add_argument("--time", metavar="COLUMN", help="the application date")
    parser.add_argument("--id", metavar="COLUMN", help="the column that identifies a row")
    parser.add_argument("--name", metavar="NAME", help="the portfolio's name; the file's where absent")
    parser.add_argument("--overwrite", action="store_true", help="replace a contract of this name")


def _add_records(add: Callable[[str, str, str], Parser]) -> None:
    records = add("records", "records:command_migrate", "the service's records: tables, erasure, retention")
    actions = records.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, text in {
        "migrate": "make the tables in PostgreSQL (DATABASE_URL), or bring them to this version's form",
        "erase": "remove every record of an applicant, here and in PostgreSQL",
        "prune": "remove what is older than the retention time",
    }.items():
        action = actions.add_parser(name, help=text, description=text, parents=[_common(argparse.SUPPRESS, "records")])
        action.set_defaults(command=f"records:command_{name}")
        if name == "erase":
            action.add_argument("--applicant", required=True, metavar="ID", help="the applicant_id of the requests")
        if name == "prune":
            action.add_argument("--days", type=int, metavar="N", help="in place of CREDITRISK_SERVICE_RETENTION_DAYS")


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--families", metavar="A,B,...", help="all of 3.experiments/search.yaml, and blend, where absent"
    )
    parser.add_argument("--trials", type=_positive(int), metavar="N", help="end after so many further trials")
    text = "end after so many minutes; 10 where neither this nor --trials is given"
    parser.add_argument("--minutes", type=_positive(float), metavar="M", help=text)
    text = "processes that work on the study side by side, one a core at most; 1 where absent"
    parser.add_argument("--jobs", type=_positive(int), default=1, metavar="J", help=text)
    _add_study(parser)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=int, help=argparse.SUPPRESS)


def _add_study(parser: argparse.ArgumentParser) -> None:
    text = "a database, sqlite:///FILE or postgresql://...; 3.experiments/studies.db where absent"
    parser.add_argument("--study-storage", metavar="URL", help=text)
    parser.add_argument("--study", metavar="NAME", help="the study's name; made of portfolio and rows where absent")


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r}, expected a number above 0.")
        return value

    return number


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number from 1 to 65535.")
    return int(text)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="the address to listen on; 127.0.0.1 where absent")
    parser.add_argument("--port", type=int, help="8000 where absent")
    parser.add_argument("--workers", type=int, help="processes, one a core at most; 1 where absent")
    parser.add_argument("--bundle", metavar="FOLDER", help="a bundle's folder in place of the champion")
    parser.add_argument("--audit", choices=("sqlite", "postgres", "off"), help="where a record must be durable first")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("create", "list", "revoke"))
    parser.add_argument("id", nargs="?", help="of the key to revoke")
    parser.add_argument("--scope", action="append", help="score, batch, read, outcomes or admin; may be repeated")
    parser.add_argument("--name", help="whose key it is, for people")
    parser.add_argument("--per-minute", type=int, metavar="N", help="requests in one minute, over all workers")


def _stopped(parsed: argparse.Namespace) -> int:
    if getattr(parsed, "worker", False):
        return 130  # the process that started it says so for all
    print("stopped; what was finished is kept, the rest is made again by the same command.", file=sys.stderr)
    return 130


def _unheard() -> bool:
    """Whether nobody takes what is printed any more, as in ``history | head -1``; then nothing further is printed."""
    output = sys.stdout.fileno()
    look = select.poll()
    look.register(output, 0)
    if not any(found & select.POLLERR for _, found in look.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # what is left must not fail again at the end
    return True


def _interrupted(error: BaseException) -> bool:
    """Whether an error comes of an interruption that fell into a library's own work."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is there in name alone
        return False


def _sentence(error: CreditRiskError | OSError | ImportError) -> str:
    """What went wrong, in words.

    Raises:
        ImportError: what is missing is no package that could be installed, but a fault of ours.
    """
    if isinstance(error, OSError):
        return f"{os_sentence(error)}; nothing was changed by this step."
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        if not isinstance(error, ModuleNotFoundError) or not package or _installed(package):
            raise error
        said = "this command needs more packages than serving does. Type uv sync"
        return f"the package {package} is not installed; {said}."
    return str(error)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, without options that its command would not heed."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    word = getattr(parsed, "word", "run")
    if parsed.portfolio is not None and word in WITHOUT_PORTFOLIO:
        parser.error(f"{word} takes no --portfolio: {WITHOUT_PORTFOLIO[word]}")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code (1 after a sentence on standard error)."""
    parsed = _parsed(arguments)
    module, _, function = parsed.command.partition(":")
    try:
        work = getattr(importlib.import_module(f"creditrisk.commands.{module}"), function)
        work(Context(Project.find(), parsed.json), parsed)
        sys.stdout.flush()
    except BrokenPipeError as error:
        if not _unheard():
            print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    except (CreditRiskError, OSError, ImportError) as error:
        if _interrupted(error):
            return _stopped(parsed)
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _stopped(parsed)
    return 0
