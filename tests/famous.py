"""Famous poems with what the handbooks say of them: 王力《诗词格律》 and 启功《诗文声律论稿》, by 平水韵."""

from pathlib import Path

COLUMNS = ("poet", "title", "pattern", "group", "faults", "licences", "text")
ROWS = (Path(__file__).parent / "famous.tsv").read_text(encoding="utf-8").splitlines()[1:]

#: Each a dict of :data:`COLUMNS`: ``pattern`` is the name of a pattern, or of an old-style form.
FAMOUS = [dict(zip(COLUMNS, row.split("\t"), strict=True)) for row in ROWS]
