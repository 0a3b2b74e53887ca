import pytest
from vmemu_scenario_snapshots import SNAPSHOTS

from vmemu.lab.compare import compare
from vmemu.lab.scenarios import find_scenario


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("settings", [{}, {"R": "1", "N": "1"}, {"R": "3", "N": "7"}])
def test_it_is_as_derived(settings, bits):
    scenario = find_scenario("vmemu_scenario_snapshots:SNAPSHOTS")
    assert scenario == SNAPSHOTS
    schemes = ["pte_chain", "anonmm", "anon_vma"]
    (result,) = compare([scenario], settings, schemes, {"bits": bits})
    assert {scheme: result.verdict(scheme) for scheme in schemes} == dict.fromkeys(schemes, "yes")
    assert result.same_output
