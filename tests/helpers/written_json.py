"""Strategies for JSON: as values, and as texts the way odd writers write them."""

import json

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


NUMBERS = st.sampled_from(["1.00", "0.1e1", "-1.000000000000000000E+245", "-0", "7" * 4400, "1E+99999999999"])
SPACES = st.text(alphabet=" \t\n\r", max_size=3)
LEAVES = st.one_of(NUMBERS, st.sampled_from(["true", "null", r'"\u00e9\ud800"']), st.text().map(json.dumps))


@st.composite
def written_json(draw: st.DrawFn, depth: int = 3) -> str:
    """A JSON value as an odd writer writes it: white space anywhere, names repeated."""
    kind = draw(st.integers(0, 3)) if depth else 0
    if kind < 2:
        return draw(LEAVES | st.text().map(lambda text: json.dumps(text, ensure_ascii=False)))
    space = draw(SPACES)
    values = draw(st.lists(written_json(depth - 1), max_size=3))
    if kind == 2:
        return f"[{space}{f'{space},{space}'.join(values)}{space}]"
    members = [f"{json.dumps(draw(st.text(max_size=3)))}{space}:{space}{value}" for value in values]
    return f"{{{space}{f'{space},'.join(members)}{space}}}"


@st.composite
def written_resources(draw: st.DrawFn) -> str:
    space = draw(SPACES)
    extra = draw(st.lists(written_json(), max_size=3))
    members = [f'"resourceType"{space}:"Basic"'] + [f'"x{i}":{value}' for i, value in enumerate(extra)]
    return f"{{{space}{f'{space},{space}'.join(draw(st.permutations(members)))}}}"


@st.composite
def written_bundles(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A Bundle's text, and the texts of its resources."""
    resources = draw(st.lists(written_resources(), max_size=5))
    entries = []
    for resource in resources:
        space = draw(SPACES)
        members = [
            f'"resource"{space}:{space}{resource}',
            '"fullUrl":"urn:uuid:李"',
            '"search":{"score":1.0}',
        ]
        entries.append(f"{{{space}{f'{space},{space}'.join(draw(st.permutations(members)))}{space}}}")
    space = draw(SPACES)
    members = ['"resourceType":"Bundle"', f'"entry":[{space}{f"{space},".join(entries)}]', '"total":1.00']
    return f"{space}{{{space}{','.join(draw(st.permutations(members)))}}}{space}", resources
