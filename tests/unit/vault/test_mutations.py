"""Every byte of a vault counts: whatever single thing is changed, it is found, and the right file is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import pytest

from chameleondb.findings import Finding
from chameleondb.vault.tree import files_of
from chameleondb.vault.verify import verify
from tests.unit.vault.vaults import three_versions

MUTATIONS_MIN = 43_000


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return three_versions(tmp_path_factory.mktemp("project")).contents()


def _mutations(data: bytes) -> Iterator[bytes]:
    for at, byte in enumerate(data):
        for bit in (0, 2, 5, 7):
            yield data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :]
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
    yield data + b"\n"
    yield data + data


def _named(path: str, findings: Iterable[Finding]) -> bool:
    """Whether the findings name the file; where two files disagree, both are named."""
    name = path.removeprefix("versions/")
    return any(name in str(finding) for finding in findings)


def test_the_vault_is_sound(contents: dict[str, bytes]) -> None:
    assert verify(files_of(contents)).findings == ()


@pytest.mark.slow
def test_every_mutation_of_every_byte_is_found(contents: dict[str, bytes]) -> None:
    count, misnamed = 0, []
    for path, data in contents.items():
        for mutated in _mutations(data):
            if mutated == data:
                continue
            count += 1
            findings = verify(files_of({**contents, path: mutated})).findings
            assert findings, f"{path}: not found: {mutated!r}"
            if not _named(path, findings):
                misnamed.append((path, mutated, findings))
    assert count >= MUTATIONS_MIN
    print(f"{count} mutations, all found")
    assert misnamed[:3] == []


def test_every_missing_file_is_found(contents: dict[str, bytes]) -> None:
    for path in contents:
        rest = {p: d for p, d in contents.items() if p != path}
        assert _named(path, verify(files_of(rest)).findings), path


def test_files_that_change_places_are_found(contents: dict[str, bytes]) -> None:
    for one, other in combinations(contents, 2):
        swapped = {**contents, one: contents[other], other: contents[one]}
        assert verify(files_of(swapped)).findings, (one, other)
