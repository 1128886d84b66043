"""The contract: one YAML file that says everything the project must know of a portfolio.

Names: a key under ``columns`` is the raw name, as in the table; ``rename`` gives the clean name. Everything
else in the file (``id``, ``time``, ``population``, characteristics, ...) uses clean names; ``target.column`` is raw.
"""

from creditrisk.contract.column import Characteristic, Column, Input, Reason
from creditrisk.contract.contract import Contract, Maturity, Quarantine, Target
from creditrisk.contract.names import (
    APPLICATION_DATE,
    GROUP,
    ID,
    KINDS,
    LARGEST,
    MAX_COLUMNS,
    ROW,
    TARGET,
    WEIGHT,
    ColumnType,
    Kind,
    Monotone,
    Name,
    Role,
    Scalar,
    Values,
    as_text,
    is_pattern,
)
from creditrisk.contract.source import Encoding, Format, Simulation, Source

__all__ = [
    "APPLICATION_DATE",
    "GROUP",
    "ID",
    "KINDS",
    "LARGEST",
    "MAX_COLUMNS",
    "ROW",
    "TARGET",
    "WEIGHT",
    "Characteristic",
    "Column",
    "ColumnType",
    "Contract",
    "Encoding",
    "Format",
    "Input",
    "Kind",
    "Maturity",
    "Monotone",
    "Name",
    "Quarantine",
    "Reason",
    "Role",
    "Scalar",
    "Simulation",
    "Source",
    "Target",
    "Values",
    "as_text",
    "is_pattern",
]
