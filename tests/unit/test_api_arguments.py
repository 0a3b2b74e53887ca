"""Whatever a caller hands to a machine: it is used, or a sentence says what it should be."""

from __future__ import annotations

import inspect
import io

import pytest

from vmemu import ConfigError, ExecError, Machine

ODD = [None, True, -1, 0, 1, 1.5, 1 << 70, -(1 << 70), "", "x\0y", "\udcff", b"x", [], {}, object()]
SETTINGS = [name for name in inspect.signature(Machine.__init__).parameters if name != "self"]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_taken_or_refused(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = ""
    try:
        Machine(**{"ram": "1M", "swap": None} | {name: value}).close()
    except ConfigError as error:
        refused = str(error)
    assert not refused or name in refused


NUMBERS = ["seed", "slice_blocks", "page_cluster", "swappiness", "overcommit_ratio", "events"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [None, True, 1.0, "1", 1 << 70], ids=str)
def test_a_number_is_a_number(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be .* to .*, not "):
        Machine(ram="1M", swap=None, **{name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": None}, "a program must be"),
        ({"path": 5}, "a program must be"),
        ({"path": b"hello"}, "a program must be"),
        ({"path": ""}, "a program must be"),
        ({"path": "a\0b"}, "a program must be"),
        ({"argv": "hello"}, "argv must be a list of strings"),
        ({"argv": 5}, "argv must be a list of strings"),
        ({"argv": [5]}, "argv must hold strings"),
        ({"argv": ["\ud800"]}, "argv holds a string that has no bytes"),
        ({"env": ["A=1"]}, "env must map names to strings"),
        ({"env": {"A": 1}}, "env must hold strings"),
        ({"env": {"A=B": "1"}}, "a name in env"),
        ({"env": {"": "1"}}, "a name in env"),
        ({"stdin": -1}, "stdin is no descriptor"),
        ({"stdin": 1 << 70}, "stdin is no descriptor"),
        ({"stdin": True}, "stdin must be a descriptor, a binary file, bytes or None"),
        ({"stdin": "text"}, "stdin must be"),
        ({"stdin": io.StringIO()}, "stdin must be"),
        ({"stdout": b"bytes"}, "stdout must be a descriptor, a binary file or None"),
        ({"stdout": io.StringIO()}, "stdout must be"),
        ({"stderr": 1.5}, "stderr must be"),
    ],
)
def test_what_cannot_be_spawned_is_told(guest, arguments, message):
    with Machine(ram="1M", swap=None) as machine:
        with pytest.raises(ConfigError, match=message):
            machine.spawn(**{"path": guest("hello"), "stdout": io.BytesIO()} | arguments)
        assert machine.processes == []


def test_a_program_that_does_not_exist_is_an_exec_error():
    with Machine(ram="1M", swap=None) as machine, pytest.raises(ExecError):
        machine.spawn("/nowhere/at/all")
