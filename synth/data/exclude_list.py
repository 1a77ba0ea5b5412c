"""Which images an inspection proposes to leave out, as a list that `--exclude` reads.

Safe proposals take effect: all copies of an image but one, and training images that are in a later split too. No image
of the last split is proposed. A person decides about all others: these lines are commented out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.data.findings import Finding, ids_of, n_images
from synth.data.health import Inspection
from synth.errors import printable
from synth.records import SPLITS, Item

LEAKS = ("split_leak", "group_leak")
MOST = 0.5
"""A person decides about leaks that would take more than this share of the images of a class and split."""
COMMENT = "#"


@dataclass(frozen=True)
class Proposal:
    """What could be left out because of one finding."""

    finding: Finding
    out: tuple[str, ...]
    """Ids; each is in one proposal only."""
    safe: bool
    """Whether the list leaves them out without a decision of a person."""


def proposals(inspection: Inspection, items: Iterable[Item]) -> list[Proposal]:
    """Return what could be left out, in the order of the findings, then the refused files."""
    by_id = {item.id: item for item in items}
    refused = [Finding("refused", (path,), reason) for path, reason in inspection.refused]
    candidates = [(finding, _could_go(finding, by_id)) for finding in (*inspection.findings, *refused)]
    too_many = _too_many([out for finding, out in candidates if finding.kind in LEAKS], by_id)
    found, known = [], set[str]()
    for finding, out in candidates:
        fresh = tuple(id for id in out if id not in known)
        if finding.kind == "exact_duplicates":
            kept = next((id for id in finding.paths if id not in known), None)
            fresh = tuple(id for id in finding.paths if id not in known and id != kept)
        groups = {(by_id[id].label, by_id[id].split) for id in fresh if id in by_id}
        safe = finding.kind == "exact_duplicates" or (
            finding.kind == "split_leak" and not groups & too_many and _shown_elsewhere(fresh, finding, by_id)
        )
        if fresh:
            found.append(Proposal(finding, fresh, safe))
        known.update(out if finding.kind == "label_conflict" else fresh)
    return found


def _shown_elsewhere(out: Sequence[str], finding: Finding, by_id: Mapping[str, Item]) -> bool:
    """Whether the other images of a finding have the same pixels, each of these once at least."""
    others = {by_id[id].pixels_sha256 for id in finding.paths if id in by_id and id not in out}
    return all(by_id[id].pixels_sha256 in others for id in out)


def _could_go(finding: Finding, by_id: Mapping[str, Item]) -> tuple[str, ...]:
    """Return the ids of a finding that could be left out."""
    items = [by_id[id] for id in finding.paths if id in by_id]
    if finding.kind in LEAKS and items:
        last = max(SPLITS.index(item.split) for item in items)
        return ids_of(item for item in items if SPLITS.index(item.split) < last)
    if finding.kind in ("label_conflict", "refused"):
        return finding.paths
    return finding.paths[1:] if finding.kind in ("exact_duplicates", "near_duplicates") else ()


def _too_many(leaks: Iterable[Sequence[str]], by_id: Mapping[str, Item]) -> set[tuple[str, str]]:
    """Return the (class, split) pairs that would lose more than `MOST` of their images."""
    lost = Counter((by_id[id].label, by_id[id].split) for id in {id for out in leaks for id in out})
    sizes = Counter((item.label, item.split) for item in by_id.values())
    return {group for group, n in lost.items() if n > MOST * sizes[group]}


def list_text(found: Sequence[Proposal]) -> str:
    """Return the text of an exclude list."""
    safe, open_ = ([proposal for proposal in found if proposal.safe is kind] for kind in (True, False))
    lines = [
        "# Images to leave out: synth generate DATA OUT --exclude FILE, where FILE is this list.",
        "# Each line is a path below DATA. A line that starts with # has no effect.",
        f"# Left out: {n_images(sum(len(p.out) for p in safe))}. Remove # from a path below to leave it out too.",
    ]
    for title, part in (("Left out", safe), ("For you to decide", open_)):
        lines += ["", f"# {title}: {sum(len(proposal.out) for proposal in part)}"] if part else []
        for proposal in part:
            lines += ["", f"# {proposal.finding.kind}: {printable(proposal.finding.message)}"]
            lines += _paths(proposal)
    return "\n".join(lines) + "\n"


def _paths(proposal: Proposal) -> Iterator[str]:
    for id in proposal.out:
        if "\n" in id or "\r" in id:
            yield f"# {printable(id)}: a list can't hold this name"
        else:
            path = f"./{id}" if id.lstrip().startswith(COMMENT) or id.startswith("./") else id
            yield path if proposal.safe else f"{COMMENT}{path}"
