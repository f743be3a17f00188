"""`metrics`: one exposition of a fleet."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from lmcache_internal.cli.metrics import merged
from lmcache_internal.cli.targets import Target
from tests.cli.conftest import DEAD, HANGING, Fleet


def test_each_sample_says_whose_it_is_and_a_family_stands_together(ailing: Fleet) -> None:
    result = ailing.run("metrics", "--timeout", "2")
    assert result.exit_code == 1
    assert f"worker {DEAD - 1} ({ailing.url(DEAD)}): cannot connect" in result.stderr
    assert f"worker {HANGING - 1} ({ailing.url(HANGING)}): no answer within 2 s" in result.stderr
    families = list(text_string_to_metric_families(result.stdout))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert "lmcache:num_hit_tokens" in names
    for family in families:
        assert family.documentation
        assert {sample.labels["index"] for sample in family.samples} == {"0", "1", "3"}, family.name


def test_names_choose(fleet: Fleet) -> None:
    result = fleet.run("metrics", "--name", "python_info", "--index", "0")
    assert result.exit_code == 0
    assert [family.name for family in text_string_to_metric_families(result.stdout)] == ["python_info"]


def test_labels_keep_their_odd_characters() -> None:
    text = '# HELP a A\n# TYPE a gauge\na{b="} 1 {\\"\\n"} 2.0\na 3.0 17\n'
    text += "# HELP b B\n# TYPE b counter\nb_total +Inf\n"
    both = merged({Target("http://x", index=0): text, Target("http://y"): text})
    assert both == (
        "# HELP a A\n# TYPE a gauge\n"
        'a{index="0",b="} 1 {\\"\\n"} 2.0\na{index="0"} 3.0 17\n'
        'a{address="http://y",b="} 1 {\\"\\n"} 2.0\na{address="http://y"} 3.0 17\n'
        '# HELP b B\n# TYPE b counter\nb_total{index="0"} +Inf\nb_total{address="http://y"} +Inf\n'
    )
