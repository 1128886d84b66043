from creditrisk.service.telemetry.counts import LATENCY_LIMITS, Counts


def test_a_time_falls_into_the_first_limit_it_does_not_exceed() -> None:
    counts = Counts()
    for seconds in (0.0, LATENCY_LIMITS[0], 0.0006, 99.0):
        counts.answered("/v1/score", 200, seconds)
    assert counts.latency["/v1/score"][:2] == [2, 1]
    assert counts.latency["/v1/score"][-1] == 1
    assert counts.requests["/v1/score", 200] == 4


def test_pds_are_counted_in_the_bins_of_their_version_alone() -> None:
    counts = Counts()
    counts.watch("1@d", [0.1, 0.2])
    for pd in (0.1, 0.11, 0.9):
        counts.scored("A", "approve", "1@d", pd)
    counts.scored("A", "approve", "2@e", 0.5)
    counts.watch("1@d", [0.5])  # a version that comes back keeps its counts
    assert counts.bins == {"1@d": ([0.1, 0.2], [1, 1, 1])}
    assert counts.scores["A", "approve", "2@e"] == 1
