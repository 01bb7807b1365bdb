"""Makes a bundled font from a static Inter: `python3 subset.py Inter-Medium.otf inter-medium.otf` (needs fonttools).

Keeps Latin and a few symbols, gives digits one common width so that a label whose score changes does not jump, and
writes pair kerning as a `kern` table, which simple readers understand, in place of GPOS.
"""

import sys

from fontTools import subset
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.tables._k_e_r_n import KernTable_format_0

CHARACTERS = [
    *range(0x20, 0x7F),
    *range(0xA0, 0x180),
    *map(ord, "ȘșȚțẞ‐–—‘’‚“”„†•…‰‹›€™←↑→↓−≈≠≤≥■▲▼◆●✓✗µΩ"),
]
KERNED = [*range(0x20, 0x7F), *map(ord, "·–—’“”…")]


def tabular_digits(font):
    """Maps the digits to their fixed-width forms."""
    fixed = {code: f"{font.getBestCmap()[code]}.tf" for code in range(ord("0"), ord("9") + 1)}
    for table in font["cmap"].tables:
        table.cmap = {code: fixed.get(code, name) for code, name in table.cmap.items()}


def kerning_lookups(font):
    """The pair adjustment subtables behind the feature `kern`, first match first."""
    gpos = font["GPOS"].table
    features = [record.Feature for record in gpos.FeatureList.FeatureRecord if record.FeatureTag == "kern"]
    for index in sorted({index for feature in features for index in feature.LookupListIndex}):
        for table in gpos.LookupList.Lookup[index].SubTable:
            pair = table.ExtSubTable if table.LookupType == 9 else table
            if pair.LookupType == 2:
                yield pair


def adjustment(pair, left, right):
    """The advance adjustment that one subtable gives, or None where it does not speak of this pair."""
    if left not in pair.Coverage.glyphs:
        return None
    if pair.Format == 1:
        records = pair.PairSet[pair.Coverage.glyphs.index(left)].PairValueRecord
        values = [record.Value1 for record in records if record.SecondGlyph == right]
        return getattr(values[0], "XAdvance", 0) if values else None
    row = pair.Class1Record[pair.ClassDef1.classDefs.get(left, 0)]
    value = row.Class2Record[pair.ClassDef2.classDefs.get(right, 0)].Value1
    return getattr(value, "XAdvance", 0)


def kern_table(font):
    """The pairs of KERNED characters as a `kern` table."""
    names = [font.getBestCmap()[code] for code in KERNED]
    lookups = list(kerning_lookups(font))
    pairs = KernTable_format_0(apple=False)
    pairs.coverage, pairs.kernTable = 1, {}
    for left in names:
        for right in names:
            found = (adjustment(pair, left, right) for pair in lookups)
            value = next((value for value in found if value is not None), 0)
            if value:
                pairs[left, right] = value
    table = newTable("kern")
    table.version, table.kernTables = 0, [pairs]
    return table


def main(source, target):
    """Writes the subset of `source` to `target`."""
    font = TTFont(source, recalcTimestamp=False)
    tabular_digits(font)
    font["kern"] = kern_table(font)
    options = subset.Options(layout_features=[], legacy_kern=True, hinting=False, name_IDs=[0, 1, 2, 4, 5, 6, 13, 14])
    options.notdef_outline = True
    options.drop_tables += ["GPOS", "GSUB", "GDEF"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=CHARACTERS)
    subsetter.subset(font)
    font.save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
