import pytest
from vmemu_rmap_families import Families

from vmemu.testing import check_scheme


@pytest.mark.parametrize("bits", [32, 64])
def test_it_stands_what_vmemus_own_schemes_stand(bits):
    check_scheme(Families, operations=2000, seed=1, bits=bits)
