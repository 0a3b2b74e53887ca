"""The laboratory: scenarios that tell the reverse maps apart, run and measured.

:mod:`~vmemu.lab.scenario` says what a scenario is, :mod:`~vmemu.lab.scenarios` which there
are, :mod:`~vmemu.lab.experiment` runs one, :mod:`~vmemu.lab.compare` puts several side by
side, :mod:`~vmemu.lab.overhead` weighs the objects of each reverse map.
"""
