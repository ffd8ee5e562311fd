"""Blocks as a terminal shows them: a reading of CommonMark 0.31 and of GFM's tables and task lists.

Each example is a source and the lines that it becomes at a width of 60. ‹em …› marks what is
styled; [rule] stands for a rule, … for the space before a label. What differs from CommonMark is
listed in docs/markdown.md.
"""

from __future__ import annotations

import re

import pytest

from support.markdown import marked, settled

EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "tabs": [
        ("\tfn main()", "  fn main()"),
        ("  \ta tab after two spaces", "  a tab after two spaces"),
        ("- one\n\n\ttwo, indented by a tab", "• one\n\n  two, indented by a tab"),
        ("- one\n\n\t\tcode in an item", "• one\n\n      code in an item"),
        (">\t\tcode in a quote", "│     code in a quote"),
        ("#\ttitle", "‹heading title›"),
        ("-\t-\tnested by tabs", "• ◦ nested by tabs"),
    ],
    "precedence": [
        ("- `not code\n- over two items`", "• `not code\n• over two items`"),
    ],
    "thematic breaks": [
        ("***\n---\n___", "[rule]\n[rule]\n[rule]"),
        ("   - - -", "[rule]"),
        ("text\n***\ntext", "text\n[rule]\ntext"),
        ("_ _ _ x", "_ _ _ x"),
        ("- item\n* * *\n- item", "• item\n[rule]\n• item"),
        ("- item\n- ***", "• item\n• [rule]"),
        ("    ***", "  ***"),
    ],
    "atx headings": [
        ("# one\n## two\n### three", "‹heading one›\n‹heading two›\n‹heading.sub three›"),
        (
            "#### four\n##### five\n###### six",
            "‹heading.sub four›\n‹heading.sub five›\n‹heading.sub six›",
        ),
        ("####### seven is text", "####### seven is text"),
        ("#no space", "#no space"),
        ("## *em* and `code` ##", "‹heading em em›‹heading  and ›‹heading code code›"),
        ("# closed ######   ", "‹heading closed›"),
        ("# kept#", "‹heading kept#›"),
        ("# escaped \\#", "‹heading escaped #›"),
        ("#", ""),
        ("   ### indented by three", "‹heading.sub indented by three›"),
        ("    # indented by four", "  # indented by four"),
        ("text\n# interrupts\ntext", "text\n‹heading interrupts›\ntext"),
    ],
    "setext headings": [
        ("Title\n=====", "‹heading Title›"),
        ("Title\n--", "‹heading Title›"),
        ("Over *two\nlines*\n====", "‹heading Over ›‹heading em two lines›"),
        ("   Title\n   ===", "‹heading Title›"),
        ("Title\n= =", "Title = ="),
        ("> quoted\n---", "│ quoted\n[rule]"),
        ("- item\n---", "• item\n[rule]"),
        ("===", "==="),
        ("\\> escaped\n-----", "‹heading > escaped›"),
        ("a\n\n---\n\nb", "a\n\n[rule]\n\nb"),
    ],
    "indented code": [
        ("    one\n      two", "  one\n    two"),
        ("    one\n\n\n    two", "  one\n\n\n  two"),
        ("text\n    no code", "text no code"),
        ("    code\ntext", "  code\ntext"),
        ("- item\n\n      code", "• item\n\n    code"),
        ("    *a* <b> [c](d)", "  *a* <b> [c](d)"),
        ("\n\n    after blank lines\n\n", "  after blank lines"),
    ],
    "fenced code": [
        ("```\n<a>\n  *b*\n```", "  <a>\n    *b*"),
        ("~~~\none\n~~~", "  one"),
        ("````\n```\n````", "  ```"),
        ("```\none\n~~~\n```", "  one\n  ~~~"),
        ("```\nnever closed", "  never closed"),
        ("```rust\nfn f() {}\n```", "  fn f() {} … rust"),
        ("~~~ python startline=3\nx = 1\n~~~", "  x = 1 … python"),
        ("  ```\n  one\n    two\n three\n  ```", "  one\n    two\n  three"),
        ("    ```\n    indented code", "  ```\n  indented code"),
        ("```\n\n\none\n```", "\n\n  one"),
        ("``` a`b\nno fence\n", "``` a`b no fence"),
        ("text\n```\ncode\n```\ntext", "text\n  code\ntext"),
        ("> ```\n> quoted\n\nout", "│   quoted\n\nout"),
        ("- ```\n  in an item\n  ```\n  text", "•   in an item\n  text"),
        ("```\n```", ""),
        ("```\n    ```\n```", "      ```"),
    ],
    "html": [
        ("<div>\n*text*\n</div>", "<div>\n‹em text›\n</div>"),
        (
            "<details>\n<summary>More</summary>\n\nHidden\n\n</details>",
            "<details>\n<summary>More</summary>\n\nHidden\n\n</details>",
        ),
        ("<!-- a *comment* -->", "<!-- a *comment* -->"),
        ("Vec<String> and a<b", "Vec<String> and a<b"),
        ("<think>\nhm\n</think>\n\nAnswer", "<think>\nhm\n</think>\n\nAnswer"),
    ],
    "link reference definitions": [
        ("[site]: http://a.b 'T'\n\n[site]", "‹link site› <http://a.b>"),
        ("[later]\n\n[later]: /url", "‹link later› </url>"),
        ("[s]:\n  /url\n  'over lines'\n\n[s]", "‹link s› </url>"),
        ("[A b]: /x\n\n[a  B]", "‹link a  B› </x>"),
        ("[s]: /one\n[s]: /two\n\n[s]", "‹link s› </one>"),
        ("[no]: a b\n\n[no]", "[no]: a b\n\n[no]"),
        ("text\n[s]: /url\n\n[s]", "text [s]: /url\n\n[s]"),
        ("[s]: <>\n\n[s]", "‹link s›"),
        ("> [s]: /url\n\n[s]", "‹link s› </url>"),
        ("# [s]\n[s]: /url", "‹heading link s›‹heading  </url>›"),
        ("[s]: /url 'title' more\n\n[s]", "[s]: /url 'title' more\n\n[s]"),
        ("    [s]: /url\n\n[s]", "  [s]: /url\n\n[s]"),
        (
            "[a]: /1\n[b]: /2\n  'two'\n[c]: /3\n[a], [b], [c]",
            "‹link a› </1>, ‹link b› </2>, ‹link c› </3>",
        ),
    ],
    "paragraphs": [
        ("one\n\ntwo", "one\n\ntwo"),
        ("one\n   two\nthree", "one two three"),
        ("one\n\n\n\ntwo", "one\n\ntwo"),
        ("   one", "one"),
        ("  one  ", "one"),
    ],
    "block quotes": [
        ("> one\n> two", "│ one two"),
        (">one", "│ one"),
        ("> # title\n> text", "│ ‹heading title›\n│ text"),
        ("   > one", "│ one"),
        ("    > code", "  > code"),
        ("> one\nlazy", "│ one lazy"),
        ("> - one\nno item", "│ • one no item"),
        ("> ```\nout", "│\nout"),
        ("> one\n\n> two", "│ one\n\n│ two"),
        ("> one\n>\n> two", "│ one\n│\n│ two"),
        (">", ""),
        ("> > > deep\nlazy", "│ │ │ deep lazy"),
        (">     code\n>    text", "│   code\n│ text"),
        ("text\n> quote\n***", "text\n│ quote\n[rule]"),
        ("> one\n> ***", "│ one\n│ [rule]"),
    ],
    "list items": [
        ("- one\n\n  two", "• one\n\n  two"),
        ("- one\n\ntwo", "• one\n\ntwo"),
        ("1.  one\n\n    two", "1. one\n\n   two"),
        ("-one", "-one"),
        ("2.one", "2.one"),
        ("123456789. one", "123456789. one"),
        ("1234567890. text", "1234567890. text"),
        ("0. zero", "0. zero"),
        ("-1. text", "-1. text"),
        ("- one\n\n      code", "• one\n\n    code"),
        ("-     code", "•   code"),
        ("-\n  one", "• one"),
        ("-\n\n  no item", "•\n\nno item"),
        ("*", "•"),
        ("text\n*", "text *"),
        ("   1. one\n\n      two", "1. one\n\n   two"),
        ("10) ten\n    more", "10) ten more"),
        ("1. > - deep", "1. │ • deep"),
        ("- one\nlazy", "• one lazy"),
        ("- a\n - b\n  - c", "• a\n• b\n• c"),
        ("1. a\n\n  2. b\n\n   3. c", "1. a\n\n2. b\n\n3. c"),
        ("- # title\n- text\n  ---", "• ‹heading title›\n• ‹heading text›"),
    ],
    "lists": [
        ("- a\n- b\n+ c", "• a\n• b\n• c"),
        ("1. a\n2. b\n3) c", "1. a\n2. b\n3) c"),
        ("5. five\n1. six", "5. five\n6. six"),
        ("- a\n- b\n\n- c", "• a\n• b\n\n• c"),
        ("- a\n\n  - b\n\n- c", "• a\n\n  ◦ b\n\n• c"),
        ("text\n- item", "text\n• item"),
        ("text\n14. no item", "text 14. no item"),
        ("text\n1. item", "text\n1. item"),
        ("- a\n\n\n- b", "• a\n\n• b"),
        ("- a\n- ```\n  b\n\n\n  ```\n- c", "• a\n•   b\n\n\n• c"),
        ("- a\n  > b\n\n  c\n- d", "• a\n  │ b\n\n  c\n• d"),
        ("* a\n*\n\n* c", "• a\n•\n\n• c"),
        ("- a\n  - b\n    - c\n      - d\n- e", "• a\n  ◦ b\n    ▪ c\n      • d\n• e"),
        ("1. a\n   - b\n   - c\n2. d", "1. a\n   • b\n   • c\n2. d"),
    ],
    "tables": [
        ("| a | b |\n|---|---|\n| c | d |", "a  │ b\n───┼───\nc  │ d"),
        ("a | b\n--|--\nc | d", "a  │ b\n───┼───\nc  │ d"),
        (
            "| left | mid | right |\n|:--|:-:|--:|\n| 1 | 2 | 3 |",
            "left │ mid │ right\n─────┼─────┼──────\n1    │  2  │     3",
        ),
        ("| a |\n|---|\n| x\\|y `p\\|q` |", "a\n───────\nx|y ‹code p|q›"),
        ("| a | b |\n|--|--|\n| one |", "a   │ b\n────┼───\none │"),
        ("| a | b |\n|--|--|\n| 1 | 2 | 3 |", "a  │ b\n───┼──────\n1  │ 2 | 3"),
        ("| a | b |\n|--|\n| 1 | 2 |", "| a | b | |--| | 1 | 2 |"),
        (
            "| *a* | [b](/u) |\n|--|--|\n| `c` | ~~d~~ |",
            "‹em a›  │ ‹link b› </u>\n───┼───────\n‹code c›  │ ‹strike d›",
        ),
        ("| a |\n|--|\n| b |\n> quote", "a\n──\nb\n│ quote"),
        ("| a |\n|--|\n| b |\n\ntext", "a\n──\nb\n\ntext"),
        ("text\n| a | b |\n|--|--|\n| c | d |", "text\na  │ b\n───┼───\nc  │ d"),
        ("- | a | b |\n  |--|--|\n  | c | d |", "• a  │ b\n  ───┼───\n  c  │ d"),
        ("| 汉字 | b |\n|--|--|\n| c | 한국 |", "汉字 │ b\n─────┼─────\nc    │ 한국"),
        ("| a | b |\n|--|--|", "a  │ b\n───┼───"),
    ],
    "task lists": [
        ("- [ ] open\n- [x] done", "☐ open\n☑ done"),
        ("- [X] done\n  - [ ] open", "☑ done\n  ☐ open"),
        ("1. [ ] one\n2. [x] two", "1. ☐ one\n2. ☑ two"),
        ("- [] none\n- [ ]\n- [y] no", "• [] none\n• [ ]\n• [y] no"),
        ("text [ ] here", "text [ ] here"),
    ],
    "footnotes": [
        ("a[^1] b[^n]\n\n[^1]: One.\n[^n]: N.", "a‹link [1]› b‹link [n]›\n\n[1] One.\n[n] N."),
        ("no[^2] and [^a-z]", "no[^2] and [^a-z]"),
        (
            "[^1]: one\n\n    more\n\n        code\n\nout",
            "[1] one\n\n    more\n\n      code\n\nout",
        ),
        ("> [^q]: in a quote\n\nsee[^q]", "│ [q] in a quote\n\nsee‹link [q]›"),
        ("[^1]: - item\n    - item\nlazy", "[1] • item\n    • item lazy"),
    ],
    "displayed mathematics": [
        ("$$\nx_1*y_1*z\n$$", "  $$\n  x_1*y_1*z\n  $$"),
        ("text\n\\[\na = b\n- c\n\\]\ntext", "text\n  \\[\n  a = b\n  - c\n  \\]\ntext"),
        ("$$ x^2 $$", "  $$ x^2 $$"),
        ("$$ a $$ and text", "‹code $$ a $$› and text"),
        ("$$\nnever closed\n\ntext", "  $$\n  never closed\n\ntext"),
        ("- so\n  $$\n  x\n  $$", "• so\n    $$\n    x\n    $$"),
    ],
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(source, expected, id=f"{section}-{n}")
        for section, examples in EXAMPLES.items()
        for n, (source, expected) in enumerate(examples, 1)
    ],
)
def test_blocks_are_shown_like_this(source: str, expected: str) -> None:
    lines = [marked(line) for line in settled(source, 60)]
    shown = "\n".join(re.sub(" {10,}", " … ", re.sub("─{50,}", "[rule]", line)) for line in lines)
    assert shown == expected
