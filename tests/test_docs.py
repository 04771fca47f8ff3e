"""The pages of docs/ that answer to something else: the document callstore began from, and the
repository that they link into."""

import re
from pathlib import Path

import pytest
from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "tests/schema/data/document.prisma").read_text(encoding="utf-8")
TABLE = (ROOT / "docs/data-models.md").read_text(encoding="utf-8")

NOT_IN_PRISMA = {
    "CallRecording": {"callSessionId"},  # Prisma refuses them beside an @unique
    "CallAnalytics": {"callSessionId"},
}
RECOMMENDED = {
    "CallSession": {
        "conversationId, status",
        "conversationId, createdAt",
        "initiatorId, status",
        "mode, status",
    },
    "CallParticipant": {
        "callSessionId, status",
        "userId, status",
        "anonymousUserId, status",
        "callSessionId, joinedAt",
    },
    "CallTranscription": {
        "callSessionId, timestamp",
        "callSessionId, isFinal",
        "participantId, language",
    },
    "CallRecording": {"callSessionId, status", "createdAt, status"},
    "CallAnalytics": {"callSessionId", "qualityScore"},
}
"""The document's composite indexes; below, those of its frequent queries and of MongoDB."""
ASKED = {
    "conversationId, status",
    "userId, status",
    "conversationId, createdAt",
    "callSessionId, isFinal, timestamp",
    "anonymousUserId",
}
OF_MONGODB = {
    ("CallSession", "conversationId, status, createdAt"),
    ("CallSession", "endedAt"),
    ("CallTranscription", "createdAt"),
    ("CallParticipant", "callSessionId, status"),
}
SECTIONS = [
    "Overview",
    "Design Principles",
    "Collections Overview",
    "Database Schema",
    "Entity Relationship Diagram",
    "Prisma Models",
    "1. CallSession",
    "2. CallParticipant",
    "3. CallTranscription",
    "4. CallRecording (Optional)",
    "5. CallAnalytics (Optional)",
    "Indexes & Performance",
    "Query Patterns & Indexes",
    "Frequent Queries",
    "Composite Indexes",
    "MongoDB Indexes",
    "Data Relationships",
    "Relationship Cardinalities",
    "Cascade Behavior",
    "Data Retention & GDPR",
    "Retention Policies",
    "GDPR Compliance",
    "Right to Erasure (Art. 17)",
    "Data Minimization (Art. 5)",
    "Data Portability (Art. 20)",
    "Migration Strategy",
    "Phase 1: Schema Creation (Week 1)",
    "Phase 2: Seed Data (Week 1)",
    "Phase 3: Backward Compatibility (Week 2)",
    "Phase 4: Production Rollout (Week 3-4)",
    "Sample Queries",
    "TypeScript Types",
    "Validation Rules",
]
"""The document's headings."""


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands under it, up to the next."""
    _, *parts = re.split(r"^#{1,6} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def models() -> dict[str, str]:
    return dict(re.findall(r"^model (Call\w+) \{\n(.*?)^\}", DOCUMENT, re.MULTILINE | re.DOTALL))


def of_document(text: str) -> str:
    """The first cell of each row: what the document says."""
    return "\n".join(line.split(" | ")[0] for line in text.splitlines() if line.startswith("|"))


def section_of(model: str) -> str:
    (found,) = (text for title, text in sections(TABLE).items() if f". {model}" in title)
    return of_document(found)


def indexes(text: str) -> set[str]:
    return set(re.findall(r"`\[([\w, ]+)\]`", text))


def test_its_headings_are_the_documents() -> None:
    title, *found = sections(TABLE)
    assert title.startswith("The document callstore began from")
    assert found == SECTIONS


@pytest.mark.parametrize("model", models())
def test_each_field_and_relation_of_a_model_is_told(model: str) -> None:
    lines = (line.partition("//")[0] for line in models()[model].splitlines())
    names = {m[1] for line in lines if (m := re.match(r"\s+(\w+)\s+\w+[\[?]?", line))}
    assert len(names) >= 15
    assert names - set(re.findall(r"`(\w+)`", section_of(model))) == set()


@pytest.mark.parametrize("model", models())
def test_each_index_of_a_model_is_told(model: str) -> None:
    declared = set(re.findall(r"@@\w+\(\[([\w, ]+)\]\)", models()[model]))
    assert indexes(section_of(model)) == declared | NOT_IN_PRISMA.get(model, set())


def test_each_further_index_is_told() -> None:
    found = sections(TABLE)
    assert indexes(of_document(found["Frequent Queries"])) == ASKED
    rows = of_document(found["Composite Indexes"]).splitlines()
    told = {
        model: {i for row in rows if f"| {model} " in row for i in indexes(row)}
        for model in RECOMMENDED
    }
    assert told == RECOMMENDED
    of_mongodb = re.findall(r"(Call\w+) `\[([\w, ]+)\]`", of_document(found["MongoDB Indexes"]))
    assert set(of_mongodb) == OF_MONGODB


def test_every_row_has_its_cells_and_says_what_callstore_does() -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")]
    assert len(rows) > 150
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row.strip("|"))
        assert len(cells) == 3, row
        assert cells[0].strip(), row
        assert cells[1].strip() or "](#" in cells[2], row


# -- benchmarks


def test_each_benchmark_is_told_in_the_order_of_their_running() -> None:
    text = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", sections(text)["What is measured"], re.MULTILINE)
    assert told == list(BENCHMARKS)


# -- links


def anchors(page: Path) -> set[str]:
    """As the forges make them of headings."""
    found: list[str] = []
    for title in sections(page.read_text(encoding="utf-8")):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"`", "", title).lower()).replace(" ", "-")
        found.append(slug)
    return set(found)


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []
