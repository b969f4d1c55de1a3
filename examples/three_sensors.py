"""Three sensors for `make demo-kind`: one's object is there, one's comes later, one's never comes."""

from flytekit import Resources
from objectstore_sensor import WaitForObjectStoreFile

# Room to start quickly: at Flyte's default of 100m CPU flytekit takes some 18 s.
QUICK = {"requests": Resources(cpu="20m", mem="150Mi"), "limits": Resources(cpu="2", mem="500Mi")}

there = WaitForObjectStoreFile(poll_interval=1, timeout="10m", run_as_user=1000, **QUICK)
later = WaitForObjectStoreFile(poll_interval=1, timeout="10m", run_as_user=1000, **QUICK)
never = WaitForObjectStoreFile(poll_interval=1, timeout=40, expected_within=10, run_as_user=1000, **QUICK)
