"""Topics by their names, under any namespace."""

from __future__ import annotations

from typing import Any

import pytest

from msstan_core.messages import TOPICS, TopicKind, match_topic, topic_of


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.name)
def test_topics_match_under_any_namespace_and_nothing_else_does(topic: Any) -> None:
    for name in (topic.name, f"/{topic.name}", f"/cell_2/left/{topic.name}"):
        assert match_topic(name) is topic
    assert match_topic(f"/{topic.name}/theora") is None
    assert match_topic(f"/other{topic.name}") is None


def test_every_kind_has_one_topic() -> None:
    assert {topic_of(kind).kind for kind in TopicKind} == set(TopicKind)
    assert len({topic.name for topic in TOPICS}) == len(TOPICS) == len(TopicKind)
