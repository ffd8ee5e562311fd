"""Inlines as a terminal shows them: a reading of CommonMark 0.31 and of GFM's extensions.

Each example is a source and the lines that it becomes at a width of 60. ‹em …› marks what is
styled; [rule] stands for a rule, … for the space before a label. What differs from CommonMark is
listed in docs/markdown.md.
"""

from __future__ import annotations

import re

import pytest

from support.markdown import marked, settled

EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "blank and plain": [
        ("hello $.;'there", "hello $.;'there"),
        ("Foo χρῆν", "Foo χρῆν"),
        ("a     b", "a     b"),
    ],
    "backslash escapes": [
        ("\\*no em\\* \\`no code\\` \\[no link\\]", "*no em* `no code` [no link]"),
        ("\\# no heading", "# no heading"),
        ("\\a \\1 \\«", "\\a \\1 \\«"),
        ("\\\\*em*", "\\‹em em›"),
        ("`\\*`", "‹code \\*›"),
        ("line\\\nbreak", "line\nbreak"),
        ("[a](/u\\*v)", "‹link a› </u*v>"),
        ("1\\. no list", "1. no list"),
        ("<http://a.b?\\*>", "‹link http://a.b?\\*›"),
        ("\\<b>", "<b>"),
    ],
    "entities": [
        ("&nbsp;&amp;&copy;&auml;", "\u00a0&©ä"),
        ("&#35;&#1234;&#0;", "#Ӓ�"),
        ("&#x22;&#XD06;", '"ആ'),
        ("&nope; &x; &#; &#x;", "&nope; &x; &#; &#x;"),
        ("&#42;no em&#42;", "*no em*"),
        ("&#42; no list", "* no list"),
        ("`&amp;`", "‹code &amp;›"),
        ("[a](/u&auml;)", "‹link a› </u%C3%A4>"),
        ("a&#10;b", "a b"),
    ],
    "code spans": [
        ("`code`", "‹code code›"),
        ("`` a`b ``", "‹code a`b›"),
        ("` `` `", "‹code ``›"),
        ("`a  b`", "‹code a  b›"),
        ("`one\ntwo`", "‹code one two›"),
        ("`a\\`b`", "‹code a\\›b`"),
        ("*a`*`", "*a‹code *›"),
        ("[a`](/u)`", "[a‹code ](/u)›"),
        ("``open`", "``open`"),
        ("`a` `b`", "‹code a› ‹code b›"),
        ('`<a href="`">`', '‹code <a href="›">`'),
        ("`a\n- b`", "`a\n• b`"),
    ],
    "emphasis": [
        ("*a* _b_", "‹em a› ‹em b›"),
        ("**a** __b__", "‹strong a› ‹strong b›"),
        ("***a***", "‹em strong a›"),
        ("a * b * c", "a * b * c"),
        ("*a b *", "*a b *"),
        ("snake_case_name", "snake_case_name"),
        ("in*tra*word", "in‹em tra›word"),
        ("__in__tra", "__in__tra"),
        ("*a **b** c*", "‹em a ›‹em strong b›‹em  c›"),
        ("**a *b***", "‹strong a ›‹strong em b›"),
        ("*a\nb*", "‹em a b›"),
        ("**a b", "**a b"),
        ("a*", "a*"),
        ("\\**a*", "*‹em a›"),
        ("_a_b", "_a_b"),
        ("(*a*)", "(‹em a›)"),
        ("*(**a**)*", "‹em (›‹em strong a›‹em )›"),
        ("**a**b", "‹strong a›b"),
        ("foo***bar***", "foo‹em strong bar›"),
        ("*a `*`*", "‹em a ›‹em code *›"),
        ("*[a*](/u)", "*‹link a*› </u>"),
        ("__a_", "_‹em a›"),
        ("****a****", "‹strong a›"),
        ("*汉字*", "‹em 汉字›"),
        ("**注意：**请看", "‹strong 注意：›请看"),
        ("**“引”**字", "‹strong “引”›字"),
        ("*「字」*字", "‹em 「字」›字"),
    ],
    "strikethrough": [
        ("~~a~~ b", "‹strike a› b"),
        ("~~a\nb~~", "‹strike a b›"),
        ("a ~ b ~~", "a ~ b ~~"),
        ("~~**a** b~~", "‹strike strong a›‹strike  b›"),
        ("~a~", "~a~"),
        ("~~~a~~~ b", " … a~~~"),
    ],
    "links": [
        ("[a](/url)", "‹link a› </url>"),
        ('[a](/url "title")', "‹link a› </url>"),
        ("[a]()", "‹link a›"),
        ("[a](<u v>)", "‹link a› <u%20v>"),
        ("[a](u v)", "[a](u v)"),
        ("[*a* `b`](/u)", "‹link em a›‹link  ›‹link code b› </u>"),
        ("[a [b] c](/u)", "‹link a [b] c› </u>"),
        ("[a](/u(v)w)", "‹link a› </u(v)w>"),
        ("[a](/u\\)v)", "‹link a› </u)v>"),
        ("[a] (/u)", "[a] (/u)"),
        ("[a][b]\n\n[b]: /u", "‹link a› </u>"),
        ("[a][]\n\n[a]: /u", "‹link a› </u>"),
        ("[a]\n\n[a]: /u", "‹link a› </u>"),
        ("[a][B  c]\n\n[b C]: /u", "‹link a› </u>"),
        ("[[a](/u)](/v)", "[‹link a› </u>](/v)"),
        ("[a](javascript:x)", "[a](javascript:x)"),
        ("[a](http://a.b)", "‹link a› <http://a.b>"),
        ("[http://a.b](http://a.b)", "‹link http://a.b›"),
        ("[http://a.b](http://c.d)", "‹link http://a.b› <http://c.d>"),
        ("\\[a](/u)", "[a](/u)"),
        ("[a\nb](/u)", "‹link a b› </u>"),
        ("*a [b*](/u)", "*a ‹link b*› </u>"),
        ("[a](/u) [b](/v)", "‹link a› </u> ‹link b› </v>"),
        ("[nope]", "[nope]"),
    ],
    "images": [
        ("![alt](/u)", "‹image [image: alt]› </u>"),
        ('![*a* `b`](/u "t")', "‹image [image: a b]› </u>"),
        ("![](/u)", "‹image [image]› </u>"),
        ("[![a](/u)](/v)", "‹link image [image: a]› </u> </v>"),
        ("![a][b]\n\n[b]: /u", "‹image [image: a]› </u>"),
        ("![a](data:image/png;base64,AA)", "‹image [image: a]›"),
        ("!\\[a](/u)", "![a](/u)"),
        ("!a ![a", "!a ![a"),
    ],
    "autolinks": [
        ("<http://a.b/c?d=1>", "‹link http://a.b/c?d=1›"),
        ("<me@a.b>", "‹link me@a.b›"),
        ("<a.b>", "<a.b>"),
        ("<http://a b>", "<‹link http://a› b>"),
        ("see http://a.b/c_d_e.", "see ‹link http://a.b/c_d_e›."),
        ("(https://a.b/c(d))", "(‹link https://a.b/c(d)›)"),
        ("https://a.b/*c*", "‹link https://a.b/*c›*"),
        ("www.a.b", "www.a.b"),
        ("**https://a.b**", "‹strong link https://a.b›"),
        ("http:// and x:y", "http:// and x:y"),
        ("https://a.b，后", "‹link https://a.b›，后"),
        ("<ftp://a.b>", "‹link ftp://a.b›"),
    ],
    "raw html": [
        ("a <b>bold</b> c", "a <b>bold</b> c"),
        ("<a href='*x*'>*y*</a>", "<a href='*x*'>‹em y›</a>"),
        ("<a/><b2 />", "<a/><b2 />"),
        ("a < b > c", "a < b > c"),
        ("<33> <__>", "<33> <__>"),
        ("a<br>b", "a<br>b"),
        ("<!-- *x* -->y", "<!-- *x* -->y"),
        ("line\n<p>line</p>\nline", "line\n<p>line</p>\nline"),
    ],
    "hard line breaks": [
        ("a  \nb", "a\nb"),
        ("a\\\nb", "a\nb"),
        ("a     \n     b", "a\nb"),
        ("a  ", "a"),
        ("a\\", "a\\"),
        ("# a\\", "‹heading a\\›"),
        ("`a  \nb`", "‹code a   b›"),
        ("*a  \nb*", "‹em a›\n‹em b›"),
    ],
    "soft line breaks": [
        ("a\nb", "a b"),
        ("a \n b", "a b"),
        ("汉\n字", "汉字"),
        ("汉\na", "汉 a"),
        ("한\n국", "한 국"),
        ("a，\nb", "a，b"),
    ],
    "mathematics": [
        ("$x_1 * y_1 * z$", "‹code $x_1 * y_1 * z$›"),
        ("\\(a_1*b_1\\) and \\[c_*d_*\\]", "‹code \\(a_1*b_1\\)› and ‹code \\[c_*d_*\\]›"),
        ("$5 and $10", "$5 and $10"),
        ("US$5 and A$6", "US$5 and A$6"),
        ("$ a$ $b $", "$ a$ $b $"),
        ("$a\nb$", "‹code $a b$›"),
        ("`$`x`$`", "‹code $›x‹code $›"),
        ("$$a_b_c$$ d", "‹code $$a_b_c$$› d"),
        ("\\$x_a_$", "$x_a_$"),
        ("\\(open *a*", "(open ‹em a›"),
        ("$a$b$ *c*", "‹code $a$›b$ ‹em c›"),
        ("\\\\(*a*\\\\)", "\\(‹em a›\\)"),
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
def test_inlines_are_shown_like_this(source: str, expected: str) -> None:
    lines = [marked(line) for line in settled(source, 60)]
    shown = "\n".join(re.sub(" {10,}", " … ", re.sub("─{50,}", "[rule]", line)) for line in lines)
    assert shown == expected
