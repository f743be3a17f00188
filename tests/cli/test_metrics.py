"""`metrics`: one exposition of a fleet."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from lmcache_internal.cli.metrics import Document
from lmcache_internal.cli.targets import Target
from tests.cli.conftest import DEAD, HANGING, Fleet
from tests.cli.terminal import terminal


def test_each_sample_has_the_index_and_each_family_one_type(ailing: Fleet) -> None:
    result = ailing.run("metrics", "--timeout", "4")
    assert result.exit_code == 1
    assert f"worker {DEAD - 1} ({ailing.url(DEAD)}): cannot connect" in result.stderr
    assert f"worker {HANGING - 1} ({ailing.url(HANGING)}): no answer within 4 s" in result.stderr
    families = list(text_string_to_metric_families(result.stdout))
    indices: dict[str, set[str]] = {}
    for sample in (sample for family in families for sample in family.samples):
        indices.setdefault(sample.name, set()).add(sample.labels["index"])
    assert indices["python_info"] == {"0", "1", "3"}
    assert indices["lmcache:num_hit_tokens_total"] == {"0", "1", "3"}
    types = [line for line in result.stdout.splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types)) == len({line.split()[2] for line in types})


def test_metrics_are_printed_before_the_slowest_server_answers(ailing: Fleet) -> None:
    # The hanging server keeps the command waiting for an hour.
    with terminal(ailing, "metrics", "--name", "python_info", "--timeout", "3600") as person:
        person.wait_for("# TYPE python_info gauge")


def test_names_choose(fleet: Fleet) -> None:
    result = fleet.run("metrics", "--name", "python_info", "--index", "0")
    assert result.exit_code == 0
    assert [family.name for family in text_string_to_metric_families(result.stdout)] == ["python_info"]


def test_labels_keep_their_odd_characters() -> None:
    text = '# HELP a A\n# TYPE a gauge\na{b="} 1 {\\"\\n"} 2.0\na 3.0 17\n'
    text += "# HELP b B\n# TYPE b counter\nb_total +Inf\n"
    document = Document()
    assert document.added(Target("http://x", index=0), text) == (
        "# HELP a A\n# TYPE a gauge\n"
        'a{index="0",b="} 1 {\\"\\n"} 2.0\na{index="0"} 3.0 17\n'
        '# HELP b B\n# TYPE b counter\nb_total{index="0"} +Inf\n'
    )
    assert document.added(Target("http://y"), text.replace(" A\n", " another A\n") + "# HELP c C\nc 1\n") == (
        'a{address="http://y",b="} 1 {\\"\\n"} 2.0\na{address="http://y"} 3.0 17\n'
        'b_total{address="http://y"} +Inf\n'
        '# HELP c C\nc{address="http://y"} 1\n'
    )


def test_a_name_that_no_metric_has_is_told(shared_fleet: Fleet) -> None:
    result = shared_fleet.run("metrics", "--name", "nosuch", "--name", "neither")
    assert (result.exit_code, result.stderr) == (0, "No metric is named nosuch or neither.\n")
    assert shared_fleet.run("metrics", "--name", "process_start_time_seconds").stderr == ""
