"""A script and a style sheet are one file with all that they import."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from soul_lab.files import JOINED, PAGE
from soul_lab.joined import join_script, join_style


def written(folder: Path, **files: str) -> Path:
    """Write scripts by their names and return the one called ``main``."""
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder / "main.js"


def test_what_is_imported_comes_first_and_once(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main='import { a } from "./a.js";\nimport { b as c } from "./b.js";\nc(a);\n',
        a='import { b } from "./b.js";\nexport const a = b;\nconst own = 1;\n',
        b="export async function b() {}\nexport class B {}\nconst own = 2;\n",
    )
    assert join_script(main) == (
        "// b.js\nconst $0 = (() => {\n"
        "async function b() {}\nclass B {}\nconst own = 2;\n"
        "return { b, B };\n})();\n"
        "// a.js\nconst $1 = (() => {\n"
        "const { b } = $0;\nconst a = b;\nconst own = 1;\n"
        "return { a };\n})();\n"
        "// main.js\nconst $2 = (() => {\n"
        "const { a } = $1;\nconst { b: c } = $0;\nc(a);\n"
        "return {  };\n})();\n"
    )


def test_a_default_has_a_name_of_its_own(tmp_path: Path) -> None:
    main = written(tmp_path, main='import t from "./t.js";\n', t="export default {};\n")
    joined = join_script(main)
    assert "const $default = {};\nreturn { default: $default };" in joined
    assert "const { default: t } = $0;" in joined


@pytest.mark.parametrize(
    ("main", "why"),
    [
        ('import * as a from "./a.js";\n', r"main\.js cannot be joined .*import \* as a"),
        ("import { a } from './a.js';\n", r"main\.js cannot be joined"),
        ("const a = 1;\nexport { a };\n", r"main\.js cannot be joined .*export \{ a \}"),
        ("export let a = 1;\n", r"main\.js cannot be joined"),
        ('import { main } from "./main.js";\n', r"imports itself by way of main\.js"),
        ('import { back } from "./a.js";\n', r"main\.js imports itself by way of a\.js"),
    ],
)
def test_what_cannot_be_joined_is_named(tmp_path: Path, main: str, why: str) -> None:
    entry = written(tmp_path, main=main, a='import { a } from "./main.js";\n')
    with pytest.raises(ValueError, match=why):
        join_script(entry)


def test_style_sheets_stand_in_the_place_of_their_import(tmp_path: Path) -> None:
    (tmp_path / "main.css").write_text('@import "a.css";\n@import "b.css";\nmain {}\n')
    (tmp_path / "a.css").write_text("a {}")
    (tmp_path / "b.css").write_text("b {}")
    assert join_style(tmp_path / "main.css") == "a {}\nb {}\nmain {}\n"
    (tmp_path / "b.css").write_text("@import url(c.css);")
    with pytest.raises(ValueError, match=r"b\.css cannot be joined"):
        join_style(tmp_path / "main.css")


@pytest.mark.parametrize("name", JOINED)
def test_no_file_of_the_page_is_left_out(name: str) -> None:
    entry = PAGE / name
    joined = JOINED[name](entry)
    assert not re.search(r"^\s*(?:import|export|@import)\b", joined, re.M)
    files = [path for path in PAGE.rglob(f"*{entry.suffix}") if path != entry]
    assert len(files) > 10
    for path in files:
        longest = max(path.read_text("utf-8").splitlines(), key=len)
        assert joined.count(longest) >= 1, f"{path.name} is imported by nobody"
